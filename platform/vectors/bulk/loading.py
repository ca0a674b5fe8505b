"""Loading a file of templates into the database and Milvus, chunk by chunk.

A chunk is two transactions. The first reserves ids and notes, in every live generation that holds
the gallery, the span of template ids to come. The second writes people, templates and the load's
place in the file, while a thread inserts the same vectors into the collection that is searched;
when Milvus has acknowledged, it takes the span away and commits. Nobody can see or change the rows
before that, so what Milvus gets can't be stale. A death anywhere leaves the span, and the index
worker makes Milvus equal to the database in that range once the loader's time is over.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass

import numpy as np
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from accounts.actors import Actor
from audit.services import record
from common.errors import NotFound
from common.stopwatch import Stopwatch
from people.access import require
from people.catalogue import UnknownModel, catalogue
from people.models import Gallery, Role
from vectors import milvus
from vectors.applying import work
from vectors.connection import server_labels
from vectors.errors import IndexUnavailable
from vectors.generations import ensure_active_index
from vectors.growth import grow, is_outgrown
from vectors.locks import changing
from vectors.milvus import Entries
from vectors.models import ActiveIndex, GenerationState, IndexGeneration, VectorImport
from vectors.outbox import mark_dirty

from .ahead import ahead
from .checks import check
from .errors import OtherModel, Overtaken
from .matching import Plan, lock_known, match
from .repeats import Repeats, find_repeats
from .reserving import ChangedMeanwhile, Reserved, holders, reserve, settle
from .rows import Chunk, Refusal, Source
from .storing import (
    NewPerson,
    NewTemplates,
    replace_templates,
    store_people,
    store_templates,
)

# The parts of a load, for its stopwatch.
DATABASE, INDEX = "database", "index"
# Measured: larger chunks gain nothing, and keep others waiting. SQLite has one writer.
CHUNK_ROWS = {"postgresql": 10_000, "sqlite": 2_000}
# How often a chunk is begun anew because somebody else changed the same people meanwhile.
ATTEMPTS = 5
# How long a new, empty collection may take until the load begins without it.
MAKING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How rows are taken."""

    normalise: bool = False
    update: bool = False
    chunk_rows: int = 0


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how a load goes on, and may stop it after the chunk in hand.

    `refused` hears of a chunk's refusals before the chunk is committed, `started` of the place in
    the file where the load begins, `progress` of every chunk that is done.
    """

    started: Callable[[VectorImport], None] = lambda _: None
    refused: Callable[[list[Refusal]], None] = lambda _: None
    progress: Callable[[VectorImport], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Result:
    """How far a load came, where its time went, and what the index worker has left to do."""

    record: VectorImport
    stopwatch: Stopwatch
    left_to_worker: int

    @property
    def finished(self) -> bool:
        """Whether the whole file was gone through."""
        return self.record.next_row == self.record.rows


def load(
    actor: Actor,
    gallery: Gallery,
    source: Source,
    *,
    model: str = "",
    options: Options | None = None,
    watcher: Watcher | None = None,
) -> Result:
    """Load a file into a gallery, from where an earlier load of the same file stopped.

    Each row makes a person with a template, gives a known person one, finds that it is there
    already, or is refused with a reason. A file that was loaded to the end begins anew.

    Raises:
        Forbidden: the actor is no operator of the gallery.
        OtherModel, UnknownModel: the templates can't be compared with the gallery's.
        UnusableFile: the file can't be read; what was loaded before stays.
        Overtaken: others change the same people, or load the same file.
    """
    require(actor, gallery, Role.OPERATOR)
    options, watcher = options or Options(), watcher or Watcher()
    made_by = _model_of(gallery, source, model)
    stopwatch = Stopwatch()
    digest = source.sha256()
    repeats = find_repeats(source.rows, source.keys)
    place = _begin(actor, gallery, digest, made_by, source.rows)
    watcher.started(place)
    with stopwatch.of(INDEX):  # a server takes seconds to make a collection
        prepare_for(gallery, source.rows - place.next_row)
    with ThreadPoolExecutor(1, "milvus") as pool:
        loader = _Loader(actor, gallery, place, options, watcher, stopwatch, pool)
        loader.run(_chunks(source, place.next_row, repeats, options))
    return Result(loader.place, stopwatch, loader.left_to_worker)


def prepare_for(gallery: Gallery, expected: int) -> None:
    """See to it that the gallery has an index that suits `expected` more templates.

    One of another type is made before they come, while it is small; what it takes too long for is
    left to the index worker.
    """
    generation = ensure_active_index(gallery)
    # Milvus away, or slow: the load goes on, and the index worker follows.
    with suppress(IndexUnavailable):
        following = grow(generation, expected) if is_outgrown(generation, expected) else []
        for each in [generation, *following]:
            if each.state == GenerationState.BUILDING:
                work(each.public_id, seconds=MAKING_SECONDS)


def _model_of(gallery: Gallery, source: Source, named: str) -> str:
    said = source.model
    model = named or said
    if not model:
        raise OtherModel("The file doesn't say which model made its templates. Name it: --model.")
    if said and named and said != named:
        raise OtherModel(f"The file's templates were made by {said!r}, not by {named!r}.")
    if model != gallery.model:
        models = catalogue().models()
        if model not in models:
            raise UnknownModel(
                f"There is no model {model!r} here; the gallery's is {gallery.model!r}.",
                models=models,
            )
        raise OtherModel(
            f"The templates were made by {model!r}, and the gallery's are made by "
            f"{gallery.model!r}. Templates of two models can't be compared."
        )
    return model


@transaction.atomic
def _begin(actor: Actor, gallery: Gallery, digest: str, model: str, rows: int) -> VectorImport:
    """The load's place in the file: where it stopped, or the start."""
    place, _ = VectorImport.objects.select_for_update().get_or_create(
        gallery=gallery, sha256=digest, defaults={"model": model, "rows": rows}
    )
    if place.next_row == place.rows or place.model != model:
        place.next_row = place.created = place.updated = place.unchanged = place.refused = 0
    place.rows, place.model = rows, model
    place.save()
    _note(actor, "vectors.import", place, gallery)
    return place


def _note(actor: Actor, action: str, place: VectorImport, gallery: Gallery) -> None:
    record(
        actor,
        action,
        f"vector_import:{place.public_id}",
        gallery.public_id,
        rows=place.rows,
        next_row=place.next_row,
        created=place.created,
        updated=place.updated,
        unchanged=place.unchanged,
        refused=place.refused,
    )


def _chunks(source: Source, start: int, repeats: Repeats, options: Options) -> Generator[Chunk]:
    size = options.chunk_rows or CHUNK_ROWS[connection.vendor]
    batches = source.batches(start, size)
    return ahead(check(each, repeats, normalise=options.normalise) for each in batches)


@dataclass(slots=True)
class _Loader:
    """Brings one chunk after the other into the database and Milvus."""

    actor: Actor
    gallery: Gallery
    place: VectorImport
    options: Options
    watcher: Watcher
    stopwatch: Stopwatch
    pool: ThreadPoolExecutor
    left_to_worker: int = 0

    def run(self, chunks: Generator[Chunk]) -> None:
        """All of them, or until somebody says stop."""
        with closing(chunks):
            for chunk in chunks:
                self._load(chunk)
                self.watcher.progress(self.place)
                if self.watcher.stop():
                    break
        if self.place.next_row < self.place.rows:
            _note(self.actor, "vectors.import_stop", self.place, self.gallery)

    def _load(self, chunk: Chunk) -> None:
        for _ in range(ATTEMPTS):
            with self.stopwatch.of(DATABASE):
                plan = self._plan(chunk)
                reserved = reserve(self.gallery, self.place.model, plan)
            try:
                self._store(chunk, plan, reserved)
            except (IntegrityError, ChangedMeanwhile, OperationalError) as error:
                # The span stays: what Milvus got is removed when its time is over.
                if isinstance(error, OperationalError) and not _is_deadlock(error):
                    raise
                continue
            return
        raise Overtaken(
            "Others change the people of this file at the same time. What was loaded stays; run "
            "the same command again to go on."
        )

    def _plan(self, chunk: Chunk) -> Plan:
        model, update = self.place.model, self.options.update
        return match(self.gallery, model, chunk, update=update)

    def _store(self, chunk: Chunk, plan: Plan, reserved: Reserved) -> None:
        """The second transaction: everything is there, or nothing."""
        people = _new_people(chunk, plan, reserved)
        templates, entries = _new_templates(chunk, plan, reserved, self.gallery.pk)
        with self.stopwatch.of(DATABASE), transaction.atomic():
            self.place = self._advanced(chunk, plan)
            self._check(chunk, plan, reserved)
            target = self._target() if reserved.spans else None
            sending = self.pool.submit(self._send, target, entries)
            try:
                store_people(self.gallery.pk, people)
                store_templates(self.place.model, templates)
                self._replace(chunk, plan)
            finally:
                with self.stopwatch.paused(DATABASE):
                    wait([sending])
            arrived = sending.result()
            settle(reserved, target, arrived=arrived)
            self.place.save()
            if self.place.next_row == self.place.rows:
                _note(self.actor, "vectors.import_end", self.place, self.gallery)
            self.watcher.refused(sorted([*chunk.refusals, *plan.refusals]))
        self.left_to_worker += 0 if arrived else len(reserved.templates)

    def _advanced(self, chunk: Chunk, plan: Plan) -> VectorImport:
        """The load's place after this chunk, locked; not saved yet."""
        place = VectorImport.objects.select_for_update().filter(pk=self.place.pk).first()
        if place is None:
            raise NotFound("gallery")
        if place.next_row != chunk.first:
            raise Overtaken("Another process loads the same file. Let it, or stop it.")
        place.next_row += chunk.size
        place.created += len(plan.new)
        place.updated += len(plan.lacking) + len(plan.replaced)
        place.unchanged += plan.unchanged
        place.refused += len(chunk.refusals) + len(plan.refusals)
        return place

    def _check(self, chunk: Chunk, plan: Plan, reserved: Reserved) -> None:
        """Is everything still as it was planned? From here on it stays so.

        People are locked before the generations, as everywhere.
        """
        if plan.lacking or plan.replaced:
            lock_known(plan)
            if self._plan(chunk) != plan:
                raise ChangedMeanwhile
        changing()
        model = Gallery.objects.values_list("model", flat=True).get(pk=self.gallery.pk)
        if model != self.place.model:
            raise OtherModel(f"The gallery's templates are made by {model!r} from now on.")
        now = set(holders(self.gallery, model).values_list("pk", flat=True))
        if plan.to_write and now != reserved.spans.keys():
            raise ChangedMeanwhile

    def _target(self) -> IndexGeneration | None:
        """The generation that the gallery is searched in, if it takes entries now."""
        active = ActiveIndex.objects.select_related("generation").filter(
            gallery=self.gallery,
            generation__state=GenerationState.READY,
            generation__server__in=server_labels(),
        )
        found = active.first()
        return found.generation if found else None

    def _send(self, target: IndexGeneration | None, entries: Entries) -> bool:
        """Insert into Milvus, in a thread; whether it has acknowledged."""
        if target is None:
            return False
        with self.stopwatch.of(INDEX):
            try:
                milvus.insert(target.collection, entries)
            except IndexUnavailable:
                return False
        return True

    def _replace(self, chunk: Chunk, plan: Plan) -> None:
        if not plan.replaced:
            return
        ids = [each.template_id for each in plan.replaced]
        rows = [each.index for each in plan.replaced]
        none = np.empty(0, np.int64)
        replace_templates(
            NewTemplates(np.array(ids), none, chunk.vectors[rows], _faces(chunk, rows))
        )
        mark_dirty(self.gallery.pk, self.place.model, ids)


def _is_deadlock(error: OperationalError) -> bool:
    """Whether PostgreSQL chose us among some that waited for each other."""
    return isinstance(error.__cause__, DeadlockDetected)


def _new_people(chunk: Chunk, plan: Plan, reserved: Reserved) -> list[NewPerson]:
    return [
        NewPerson(
            pk, chunk.ids[row], chunk.names[row], chunk.metadata[row], active=chunk.active[row]
        )
        for pk, row in zip(reserved.people, plan.new, strict=True)
    ]


def _new_templates(
    chunk: Chunk, plan: Plan, reserved: Reserved, gallery_id: int
) -> tuple[NewTemplates, Entries]:
    """The templates to be made, and those of active people as Milvus takes them."""
    rows = [*plan.new, *(each.index for each in plan.lacking)]
    people = [*reserved.people, *(each.person.pk for each in plan.lacking)]
    active = [chunk.active[row] for row in plan.new] + [each.person.active for each in plan.lacking]
    ids, vectors = np.array(reserved.templates, np.int64), chunk.vectors[rows]
    found = np.array(active, np.bool_)
    templates = NewTemplates(ids, np.array(people, np.int64), vectors, _faces(chunk, rows))
    galleries = np.full(int(found.sum()), gallery_id, np.int64)
    return templates, Entries(ids[found], galleries, vectors[found])


def _faces(chunk: Chunk, rows: list[int]) -> np.ndarray:
    return np.array([chunk.face_counts[row] for row in rows], np.int64)
