"""The life of a photo: received, claimed by a worker, finished, deleted."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID, uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actors import Actor, system
from audit.services import record
from common.errors import Conflict, NotFound
from common.leases import MAX_ATTEMPTS, alone_if_failed, expired, lease_out, release
from common.queue import PROCESS_PHOTOS, enqueue_on_commit
from people.access import require
from people.locks import lock_person
from people.models import Gallery, Person, Role

from .intake import Intake
from .models import Original, Photo, PhotoState, Source

logger = logging.getLogger(__name__)

# A worker that has said nothing for so long is taken for dead; workers.app ends one that hangs
# before this (TASK_SECONDS there).
LEASE = timedelta(seconds=60)


# --- Receiving ----------------------------------------------------------------------------


def receive(
    actor: Actor,
    gallery: Gallery,
    person: Person | None,
    intake: Intake,
    *,
    several_faces: str = "",
    face_box: dict[str, float] | None = None,
    source: str = Source.API,
) -> tuple[Photo, bool]:
    """Store a photo and hand it to the workers; returns it and whether they got it.

    The same bytes for the same person are the same photo. If it was rejected and now comes with
    another choice among its faces, it is processed again.

    Raises:
        NotFound, Forbidden: the actor may not enrol in this gallery.
    """
    require(actor, gallery, Role.OPERATOR)
    choice = {"several_faces": several_faces, "face_box": face_box}
    known = _known(gallery, person, intake)
    if known is not None:
        return _choose_anew(actor, known, choice)
    fields = {**choice, "source": source}
    saved = save_file(gallery, intake)
    try:
        with transaction.atomic():
            photo, created = store_photo(person, saved, fields)
            if created:
                _announce(actor, photo)
    except BaseException:
        _delete_unless_stored(saved)
        raise
    if photo.original.public_id != saved.public_id:
        # Somebody else stored the same bytes a moment ago.
        delete_files([saved.file.name])
    return photo, created


def _known(gallery: Gallery, person: Person | None, intake: Intake) -> Photo | None:
    return Photo.objects.filter(
        gallery=gallery, person=person, original__sha256=intake.sha256
    ).first()


def _delete_unless_stored(saved: Original) -> None:
    """Delete the file of a row that isn't there: an error after the commit must not take it."""
    if not Original.objects.filter(public_id=saved.public_id).exists():
        delete_files([saved.file.name])


def _choose_anew(actor: Actor, known: Photo, choice: dict[str, Any]) -> tuple[Photo, bool]:
    """A photo that was there: processed again if it was rejected and the choice is a new one."""
    rejected = known.state == PhotoState.REJECTED
    if not rejected or not any(choice.values()) or _choice_of(known) == choice:
        return known, False
    return process_again(actor, known, **choice), True


def _choice_of(photo: Photo) -> dict[str, Any]:
    return {"several_faces": photo.several_faces, "face_box": photo.face_box}


_ORIGINAL_FIELDS = (
    "public_id", "file", "bytes", "media_type", "extension", "width", "height", "frames",
)  # fmt: skip


def save_file(gallery: Gallery, intake: Intake) -> Original:
    """The file of a photo on the disk, and its row not yet in the database."""
    original = Original(
        gallery=gallery,
        sha256=intake.sha256,
        bytes=len(intake.data),
        media_type=intake.info.media_type,
        extension=intake.info.extension,
        width=intake.info.width,
        height=intake.info.height,
        frames=intake.info.frames,
    )
    original.file.save("", ContentFile(intake.data), save=False)
    return original


def store_originals(saved: Sequence[Original]) -> dict[str, Original]:
    """The rows of some saved files of one gallery by their SHA-256, made where they are missing.

    In the caller's transaction, which holds them from now on. Where one is another than was saved,
    the gallery has these bytes already, and the file saved is to be deleted.
    """
    if not saved:
        return {}
    # In one order for all who store the same bytes at once: the second takes the first's rows.
    by_content = {each.sha256: each for each in saved}
    ordered = [by_content[sha256] for sha256 in sorted(by_content)]
    Original.objects.bulk_create(ordered, ignore_conflicts=True)
    rows = Original.objects.select_for_update().filter(
        gallery=saved[0].gallery, sha256__in=by_content
    )
    return {each.sha256: each for each in rows.order_by("sha256")}


def store_photo(
    person: Person | None, saved: Original, fields: dict[str, Any]
) -> tuple[Photo, bool]:
    """The photo's rows, and whether they are new: the same bytes for a person are one photo.

    In the caller's transaction. If `photo.original` is another than `saved`, the gallery has these
    bytes already, and the file saved is to be deleted (`delete_files`).
    """
    gallery = saved.gallery
    if person is not None:
        # An erasure under way ends first; then there is nobody to add to.
        person = lock_person(person.pk)
        _check_not_merged(person)
    # Two requests may store the same bytes at once: whoever comes second takes the first's row.
    original, _ = Original.objects.select_for_update().get_or_create(
        gallery=gallery,
        sha256=saved.sha256,
        defaults={name: getattr(saved, name) for name in _ORIGINAL_FIELDS},
    )
    if person is None:
        existing = Photo.objects.filter(original=original, person=None).first()
        if existing is not None:
            return existing, False
        return Photo.objects.create(gallery=gallery, original=original, **fields), True
    return Photo.objects.get_or_create(
        gallery=gallery, person=person, original=original, defaults=fields
    )


def _check_not_merged(person: Person) -> None:
    if person.merged_into is not None:
        raise Conflict(
            "This person turned out to be another, who has their photos. Send it for that one.",
            code="merged",
            person=str(person.merged_into.public_id),
        )


def _announce(actor: Actor, photo: Photo) -> None:
    _record(actor, "photo.receive", photo)
    enqueue_on_commit(PROCESS_PHOTOS, [str(photo.public_id)])


@transaction.atomic
def process_again(actor: Actor, photo: Photo, **choices: Any) -> Photo:
    """Send a photo that was rejected or quarantined through the workers once more.

    `choices` may change `several_faces` and `face_box`.

    Raises:
        Conflict: it is under way, or enrolled already (`photo_state`).
    """
    require(actor, photo.gallery, Role.OPERATOR)
    photo = lock_photo(photo.pk)
    if photo.state not in (PhotoState.REJECTED, PhotoState.QUARANTINED):
        raise Conflict(
            f"Only a rejected or quarantined photo can be processed again; this is {photo.state}.",
            code="photo_state",
        )
    for field, value in choices.items():
        setattr(photo, field, value)
    begin_again(photo)
    _record(actor, "photo.process_again", photo)
    return photo


def begin_again(photo: Photo) -> None:
    """Send a photo whose row the caller holds to the workers, as if it had just come."""
    photo.faces.all().delete()
    photo.state, photo.code, photo.text, photo.attempts = PhotoState.RECEIVED, "", "", 0
    photo.processed_at = None
    photo.save()
    enqueue_on_commit(PROCESS_PHOTOS, [str(photo.public_id)])


def lock_photo(photo_id: int) -> Photo:
    """The photo's row as it is now, locked until the transaction ends.

    Raises:
        NotFound: it was deleted in the meantime.
    """
    photo = Photo.objects.select_for_update().filter(pk=photo_id).first()
    if photo is None:
        raise NotFound("photo")
    return photo


# --- In the hands of a worker -------------------------------------------------------------


@transaction.atomic
def claim(hints: Sequence[UUID], limit: int, worker: str = "") -> tuple[UUID, list[Photo]]:
    """Take photos to work on: those hinted at, then any others that wait.

    `worker` is the name of who takes them. Returns the lease and the photos. A photo that failed
    before is taken alone.
    """
    now = timezone.now()
    abandoned = Q(
        state=PhotoState.PROCESSING, leased_until__lt=now, attempts__lt=MAX_ATTEMPTS
    )  # after the last attempt it is the sweeper's, for quarantine
    waiting = Q(state=PhotoState.RECEIVED) | abandoned
    candidates = Photo.objects.select_for_update(skip_locked=True).filter(waiting).order_by("id")
    chosen = list(candidates.filter(public_id__in=hints)[:limit])
    taken = [photo.pk for photo in chosen]
    chosen += candidates.exclude(pk__in=taken)[: limit - len(chosen)]
    chosen = alone_if_failed(chosen)
    lease = uuid4()
    rows = Photo.objects.filter(pk__in=[photo.pk for photo in chosen])
    lease_out(rows, PhotoState.PROCESSING, lease, LEASE, worker)
    leased = Photo.objects.filter(lease=lease).select_related("original", "gallery", "person")
    return lease, list(leased.order_by("id"))


def locked_if_leased(photo: Photo, lease: UUID) -> Photo | None:
    """The photo's row, locked, if this run still has it; None if it was taken away or deleted."""
    return Photo.objects.select_for_update().filter(pk=photo.pk, lease=lease).first()


def finish(photo: Photo, state: PhotoState, code: str = "", text: str = "") -> None:
    """Write a photo's final state, inside the transaction that stores what follows from it."""
    set_final(photo, state, code, text)
    photo.save(
        update_fields=[
            "state",
            "code",
            "text",
            "lease",
            "leased_until",
            "processed_at",
            "updated_at",
        ]
    )


def set_final(photo: Photo, state: PhotoState, code: str = "", text: str = "") -> None:
    """The same, not written yet."""
    photo.state, photo.code, photo.text = state, code, text
    photo.let_go()
    photo.processed_at = timezone.now()


@transaction.atomic
def fail(photo: Photo, lease: UUID, reason: str) -> None:
    """Give a photo back after an error: to the queue, or after three attempts to quarantine."""
    held = locked_if_leased(photo, lease)
    if held is not None:
        _give_back(held, reason)


def release_expired() -> int:
    """Give back what dead workers held. Returns how many photos wait for a worker.

    The sweeper calls this and wakes a worker, whatever became of the messages.
    """
    _release(expired())
    return Photo.objects.filter(state=PhotoState.RECEIVED).count()


def release_held_by(worker: str) -> int:
    """Give back what the last worker of this name held, as a new one begins. Returns how many.

    If the other one lives nevertheless, its lease is gone and what it finds is not stored.
    """
    return _release(Q(leased_by=worker))


def _release(which: Q) -> int:
    return release(Photo.objects.filter(which, state=PhotoState.PROCESSING), _give_back)


def _give_back(photo: Photo, reason: str) -> None:
    if photo.attempts >= MAX_ATTEMPTS:
        logger.warning("photo %s is quarantined: %s", photo.public_id, reason)
        _record(system("photos"), "photo.quarantined", photo)
        finish(
            photo,
            PhotoState.QUARANTINED,
            "quarantined",
            f"Processing failed {photo.attempts} times; the last time {reason}. Try it again, or "
            "send another photo.",
        )
        return
    photo.state = PhotoState.RECEIVED
    photo.let_go()
    photo.save(update_fields=["state", "lease", "leased_until", "updated_at"])


# --- Removing -----------------------------------------------------------------------------


def remove(photos: Iterable[Photo]) -> int:
    """Delete photos with their faces, and the originals that nothing refers to any more.

    Runs inside the caller's transaction; files go when it is committed. Returns how many photos.
    """
    photos = list(photos)
    originals = Original.objects.filter(pk__in={photo.original_id for photo in photos})
    # An upload of the same bytes locks them too: it ends first, or finds them gone.
    list(originals.select_for_update().order_by("id"))
    Photo.objects.filter(pk__in=[photo.pk for photo in photos]).delete()
    orphans = list(originals.exclude(photos__isnull=False))
    Original.objects.filter(pk__in=[original.pk for original in orphans]).delete()
    names = [original.file.name for original in orphans]
    transaction.on_commit(lambda: delete_files(names))
    return len(photos)


def delete_files(names: Iterable[str]) -> None:
    """Delete files of originals. What can't be deleted now is found within the hour."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError:
            # remove_orphan_files will find it.
            logger.exception("could not delete a file; it is tried again within the hour")


ORPHAN_AGE = timedelta(hours=1)


def remove_orphan_files() -> int:
    """Delete originals that no row refers to: what a crash between disk and database left behind.

    Returns how many.
    """
    return remove_orphans("originals", lambda name: Original.objects.filter(file=name).exists())


def remove_orphans(folder: str, is_known: Callable[[str], bool]) -> int:
    """Delete the files of a folder of the storage that nothing refers to. Returns how many.

    Files of the last hour may belong to an upload under way and are left.
    """
    removed = 0
    for name in _stored_files(folder):
        recent = timezone.now() - default_storage.get_modified_time(name) < ORPHAN_AGE
        if not recent and not is_known(name):
            default_storage.delete(name)
            removed += 1
    return removed


def _stored_files(folder: str) -> Iterable[str]:
    if not default_storage.exists(folder):
        return
    folders, files = default_storage.listdir(folder)
    yield from (str(PurePosixPath(folder, name)) for name in files)
    for name in folders:
        yield from _stored_files(str(PurePosixPath(folder, name)))


def _record(actor: Actor, action: str, photo: Photo) -> None:
    record(actor, action, f"photo:{photo.public_id}", photo.gallery.public_id)
