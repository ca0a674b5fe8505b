"""The life of a batch: received, its photos in the hands of workers, finished, forgotten.

A photo's file is there from the request until it has its answer or its problem. Which files are to
be deleted the rows say: those of photos that are finished, and all that no row refers to.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from accounts.actors import Actor, system
from audit.services import record
from common.errors import NotFound, Problem
from common.leases import MAX_ATTEMPTS, alone_if_failed, expired, lease_out, release
from common.problems import problem_body
from common.queue import IDENTIFY_BATCHES, enqueue_on_commit
from people.access import galleries_for
from people.models import Gallery, Role
from photos.intake import examine
from photos.services import LEASE, remove_orphans

from .models import FINISHED, PROBES, UNDER_WAY, Batch, BatchItem, BatchItemState
from .services import Probes, Question, question

logger = logging.getLogger(__name__)

# After the last of its photos is finished; and at the latest, so that no probe is kept for good.
REMEMBERED = timedelta(days=1)
KEPT_AT_MOST = timedelta(days=7)


# --- Receiving ----------------------------------------------------------------------------


class Taken(NamedTuple):
    """A batch whose files are on the disk, and which no row tells of yet."""

    batch: Batch
    items: list[BatchItem]


def receive(
    actor: Actor,
    galleries: Sequence[Gallery],
    photos: Iterable[bytes],
    *,
    top_k: int = 5,
    faces: Probes = Probes.ALL,
    any_quality: bool = False,
    among: Sequence[UUID] | None = None,
    reason: str = "",
) -> Batch:
    """Store photos to be looked up by the workers: `take` and `keep`. Raises as `take`."""
    taken = take(
        actor, galleries, photos, top_k=top_k, faces=faces, any_quality=any_quality, among=among,
        reason=reason,
    )  # fmt: skip
    return keep(actor, galleries, taken)


def take(
    actor: Actor,
    galleries: Sequence[Gallery],
    photos: Iterable[bytes],
    *,
    top_k: int = 5,
    faces: Probes = Probes.ALL,
    any_quality: bool = False,
    among: Sequence[UUID] | None = None,
    reason: str = "",
) -> Taken:
    """Put photos to be looked up on the disk. A file that is no photo stops no other.

    Raises as `services.identify` does of what is asked; what is wrong with a file is its item's
    problem.
    """
    question(actor, galleries, top_k=top_k, any_quality=any_quality, among=among, reason=reason)
    batch = Batch(
        user=actor.user,
        api_key=actor.api_key,
        galleries=[str(each.public_id) for each in galleries],
        among=None if among is None else [str(each) for each in among],
        top_k=top_k,
        faces=faces.value,
        any_quality=any_quality,
        reason=reason.strip(),
    )
    items: list[BatchItem] = []
    try:
        for index, data in enumerate(photos):
            items.append(_item(batch, index, data))
    except BaseException:
        _delete_unless_stored(batch, items)
        raise
    return Taken(batch, items)


def keep(actor: Actor, galleries: Sequence[Gallery], taken: Taken) -> Batch:
    """Write down what was taken, and hand it to the workers.

    In a transaction of the caller's that comes to nothing the files are left to `tidy`.
    """
    try:
        _store(actor, galleries, taken.batch, taken.items)
    except BaseException:
        _delete_unless_stored(taken.batch, taken.items)
        raise
    return taken.batch


def _item(batch: Batch, index: int, data: bytes) -> BatchItem:
    """A photo with its file on the disk, its row not yet in the database; or its problem."""
    item = BatchItem(batch=batch, index=index)
    try:
        intake = examine(data)
    except Problem as problem:
        finish(item, problem=problem)
        return item
    item.sha256 = intake.sha256
    item.file.save(intake.info.extension, ContentFile(intake.data), save=False)
    return item


@transaction.atomic
def _store(
    actor: Actor, galleries: Sequence[Gallery], batch: Batch, items: Sequence[BatchItem]
) -> None:
    batch.save()
    BatchItem.objects.bulk_create(items)
    for gallery in galleries:
        _record(actor, "batch.receive", batch, gallery.public_id, photos=len(items))
    enqueue_on_commit(IDENTIFY_BATCHES)


def _delete_unless_stored(batch: Batch, items: Sequence[BatchItem]) -> None:
    """Delete files whose rows aren't there: an error after the commit must not take them."""
    if not Batch.objects.filter(public_id=batch.public_id).exists():
        _delete_files(item.file.name for item in items if item.file)


# --- Asking for it ------------------------------------------------------------------------


def batch_for(actor: Actor, public_id: UUID) -> Batch:
    """The batch of this id, if the actor asked for it and may still look up in its galleries.

    Raises:
        NotFound: there is none, it is somebody else's, or a gallery is no longer open to them.
    """
    batch = _own(actor).filter(public_id=public_id).first()
    if batch is None:
        raise NotFound("batch")
    if not actor.is_site_admin:
        try:
            galleries_for(actor, map(UUID, batch.galleries), Role.VIEWER)
        except NotFound:
            raise NotFound("batch") from None
    return batch


def _own(actor: Actor) -> QuerySet[Batch]:
    if actor.is_site_admin:
        return Batch.objects.all()
    if actor.user is not None:
        return Batch.objects.filter(user=actor.user)
    return Batch.objects.filter(api_key__isnull=False, api_key=actor.api_key)


def question_of(batch: Batch) -> Question:
    """What a batch wants to know, by the roles and the people of now. Raises as `receive`."""
    actor = batch.actor
    return question(
        actor,
        galleries_for(actor, map(UUID, batch.galleries), Role.VIEWER),
        top_k=batch.top_k,
        any_quality=batch.any_quality,
        among=None if batch.among is None else [UUID(each) for each in batch.among],
        reason=batch.reason,
    )


# --- In the hands of a worker -------------------------------------------------------------


@transaction.atomic
def claim(limit: int, worker: str = "") -> tuple[UUID, list[BatchItem]]:
    """Take the photos to look up that have waited longest. Returns the lease and the photos.

    One that failed before is taken alone.
    """
    now = timezone.now()
    abandoned = Q(
        state=BatchItemState.WORKING, leased_until__lt=now, attempts__lt=MAX_ATTEMPTS
    )  # after the last attempt it is the sweeper's
    waiting = Q(state=BatchItemState.WAITING, not_before__lte=now) | abandoned
    candidates = BatchItem.objects.select_for_update(skip_locked=True).filter(waiting)
    chosen = list(candidates.order_by("id")[:limit])
    chosen = alone_if_failed(chosen)
    lease = uuid4()
    rows = BatchItem.objects.filter(pk__in=[item.pk for item in chosen])
    lease_out(rows, BatchItemState.WORKING, lease, LEASE, worker)
    leased = BatchItem.objects.filter(lease=lease).order_by("id")
    return lease, list(leased.select_related("batch__user", "batch__api_key"))


def locked_if_leased(items: Iterable[BatchItem], lease: UUID) -> dict[int, BatchItem]:
    """Those rows, locked, that this run still has, by key; some were taken away or deleted."""
    keys = [item.pk for item in items]
    held = BatchItem.objects.select_for_update().filter(pk__in=keys, lease=lease)
    return {item.pk: item for item in held.order_by("id")}


def finish(
    item: BatchItem, answer: dict[str, Any] | None = None, problem: Problem | None = None
) -> None:
    """Give a photo its answer or its problem, to be saved in the transaction of its log's entry."""
    item.state = BatchItemState.DONE if problem is None else BatchItemState.FAILED
    item.answer = answer
    item.problem = None if problem is None else problem_body(problem)
    item.let_go()
    item.finished_at = timezone.now()


def save_finished(items: Iterable[BatchItem]) -> None:
    """Save photos with their answers, in one statement. Their rows are there, and locked.

    So nothing is inserted; `bulk_update` does the same and takes half as long as an embedding.
    """
    BatchItem.objects.bulk_create(
        items,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["state", "answer", "lease", "leased_until", "finished_at"],
    )


@transaction.atomic
def refuse(items: Iterable[BatchItem], lease: UUID, problem: Problem) -> None:
    """End photos that can't be looked up with what `/identify` would say."""
    for item in locked_if_leased(items, lease).values():
        finish(item, problem=problem)
        item.save()


@transaction.atomic
def fail(items: Iterable[BatchItem], lease: UUID, reason: str) -> None:
    """Give photos back after an error; after three attempts it is their problem."""
    for item in locked_if_leased(items, lease).values():
        _give_back(item, reason)


def put_back(lease: UUID) -> None:
    """Give back what a run has not begun; that is no attempt."""
    _waiting_again(BatchItem.objects.filter(lease=lease))


@transaction.atomic
def postpone(batch: Batch, lease: UUID, seconds: float) -> None:
    """Let a batch wait for Milvus: what this run has of it, which is no attempt, and the rest."""
    later = timezone.now() + timedelta(seconds=seconds)
    _waiting_again(batch.items.filter(lease=lease))
    batch.items.filter(state=BatchItemState.WAITING).update(not_before=later)


def _waiting_again(items: QuerySet[BatchItem]) -> None:
    items.update(
        state=BatchItemState.WAITING, lease=None, leased_until=None, attempts=F("attempts") - 1
    )


def release_expired() -> bool:
    """Give back what dead workers held. Returns whether there is something to do.

    The sweeper calls this and wakes a worker, whatever became of the messages: for photos whose
    time has come, and for files that should be gone.
    """
    _release(expired())
    waiting = Q(state=BatchItemState.WAITING, not_before__lte=timezone.now())
    return BatchItem.objects.filter(waiting).exists() or _with_file_to_delete().exists()


def release_held_by(worker: str) -> int:
    """Give back what the last worker of this name held, as a new one begins. Returns how many."""
    return _release(Q(leased_by=worker))


def _release(which: Q) -> int:
    return release(BatchItem.objects.filter(which, state=BatchItemState.WORKING), _give_back)


def _give_back(item: BatchItem, reason: str) -> None:
    if item.attempts >= MAX_ATTEMPTS:
        logger.warning("a photo of batch %s is given up: %s", item.batch.public_id, reason)
        _record(system("photos"), "batch.photo_failed", item.batch, None, index=item.index)
        finish(item, problem=_given_up(item, reason))
    else:
        item.state = BatchItemState.WAITING
        item.let_go()
    item.save()


def _given_up(item: BatchItem, reason: str) -> Problem:
    return Problem(
        f"Looking it up failed {item.attempts} times; the last time {reason}. Send it again, or "
        "another photo.",
        code="quarantined",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
    )


# --- Removing -----------------------------------------------------------------------------


@transaction.atomic
def forget(actor: Actor, public_id: UUID) -> None:
    """Delete a batch with its photos and answers; what has not been looked up never is.

    Raises:
        NotFound: as `batch_for`.
    """
    batch = batch_for(actor, public_id)
    for gallery in batch.galleries:
        _record(actor, "batch.forget", batch, UUID(gallery))
    _remove(batch)


def forget_old() -> int:
    """Delete the batches whose answers were there for a day, and any older than a week.

    Returns how many.
    """
    now = timezone.now()
    finished = Batch.objects.exclude(items__state__in=UNDER_WAY).annotate(
        finished=Max("items__finished_at")
    )
    over = finished.filter(finished__lt=now - REMEMBERED)
    old = Batch.objects.filter(created_at__lt=now - KEPT_AT_MOST)
    keys = {*over.values_list("pk", flat=True), *old.values_list("pk", flat=True)}
    for batch in Batch.objects.filter(pk__in=keys):
        with transaction.atomic():
            _remove(batch)
    return len(keys)


def _remove(batch: Batch) -> None:
    # In order, as whoever has them in hand locks them.
    items = list(batch.items.select_for_update().order_by("id"))
    names = [item.file.name for item in items if item.file]
    batch.delete()
    transaction.on_commit(lambda: _delete_files(names))


def delete_finished_files() -> int:
    """Delete the files of photos that have their answer or their problem. Returns how many.

    After the commit, and in every later run for those that a crash or a disk kept.
    """
    names = dict(_with_file_to_delete().values_list("pk", "file"))
    gone = [pk for pk, name in names.items() if _delete_file(name)]
    if gone:
        BatchItem.objects.filter(pk__in=gone).update(file="")
    return len(gone)


def _with_file_to_delete() -> QuerySet[BatchItem]:
    return BatchItem.objects.filter(state__in=FINISHED).exclude(file="")


def remove_orphan_files() -> int:
    """Delete files of batches that no row refers to. Returns how many."""
    return remove_orphans(PROBES, lambda name: BatchItem.objects.filter(file=name).exists())


def _delete_files(names: Iterable[str]) -> None:
    for name in names:
        _delete_file(name)


def _delete_file(name: str) -> bool:
    try:
        default_storage.delete(name)
    except OSError:
        logger.exception("could not delete a file; it is tried again")
        return False
    return True


def _record(actor: Actor, action: str, batch: Batch, gallery: UUID | None, **details: Any) -> None:
    record(actor, action, f"batch:{batch.public_id}", gallery, **details)
