"""Storing what was found on some files of a job: people, photos, faces, templates, results.

A group of files is one transaction. People are locked first, in the order of their keys, then
photos, as everywhere.
"""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.actors import system
from audit.services import Entry, record_all
from common.errors import StorageFull
from common.queue import left_to_the_sweeper
from common.storage import synced_together
from embedder.images import ImageInfo
from embedder.types import Face as FoundFace
from enrolment.concluding import Found, conclude
from enrolment.following import followed_models
from people.locks import lock_people
from people.models import Person
from people.selectors import root_of
from photos.intake import Intake
from photos.models import Original, Photo, PhotoState, Source
from photos.services import delete_files, save_file, store_originals

from .models import ImportItem, ImportJob, ItemState, JobState

ACTOR = system("import")

_RESULTS = {
    PhotoState.ENROLLED: ItemState.ENROLLED,
    PhotoState.REVIEW: ItemState.REVIEW,
    PhotoState.REJECTED: ItemState.REJECTED,
    PhotoState.QUARANTINED: ItemState.FAILED,
}


@dataclass(frozen=True, slots=True)
class Fresh:
    """A file with what was found on it, to be stored."""

    item: ImportItem
    data: bytes
    sha256: str
    info: ImageInfo
    faces: Sequence[FoundFace]


class Changed(Exception):  # noqa: N818 - it is no error: the files are taken anew
    """The gallery's model was changed, or somebody erased, while files of a job were in hand."""


def known_photos(job: ImportJob, files: Sequence[tuple[ImportItem, str]]) -> dict[int, Photo]:
    """The photos of the same bytes that the people of some files have, in their final states.

    By the files' keys; each comes with its SHA-256. One that was rejected counts for nothing if
    the file now comes with another choice among its faces.
    """
    people = _people_of(job, [item.external_id for item, _ in files])
    photos = Photo.objects.filter(
        person__in=people.values(), original__sha256__in=[sha256 for _, sha256 in files]
    )
    by_content = {
        (photo.person_id, photo.original.sha256): photo
        for photo in photos.select_related("person", "original")
        if photo.state in _RESULTS
    }
    found = {}
    for item, sha256 in files:
        photo = by_content.get((people.get(item.external_id), sha256))
        if photo is not None and not _is_another_choice(item, photo):
            found[item.pk] = photo
    return found


def _is_another_choice(item: ImportItem, photo: Photo) -> bool:
    is_other = bool(item.several_faces) and item.several_faces != photo.several_faces
    return is_other and photo.state == PhotoState.REJECTED


def _people_of(job: ImportJob, external_ids: Iterable[str]) -> dict[str, int]:
    """The keys of those who have these external ids, or whom they turned out to be."""
    found = {}
    for person in _known(job, external_ids).select_related("merged_into"):
        found[person.external_id] = root_of(person).pk
    return found


def result_of(photo: Photo, *, is_new: bool) -> tuple[ItemState, str, str]:
    """What a photo's state means for the file: state, code, sentence."""
    if photo.state == PhotoState.ENROLLED and not is_new:
        return ItemState.DUPLICATE, "known", "The person has this very photo already."
    return _RESULTS[PhotoState(photo.state)], photo.code, photo.text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a file for which nothing needs to be stored."""

    item: ImportItem
    state: ItemState
    code: str = ""
    text: str = ""
    sha256: str = ""
    photo: Photo | None = None


@transaction.atomic
def finish(verdicts: Sequence[Verdict], lease: UUID) -> None:
    """Give files their results, as far as this run still has them."""
    held = _held([each.item.pk for each in verdicts], lease)
    for each in verdicts:
        item = held.get(each.item.pk)
        if item is not None:
            _set(item, each.state, each.code, each.text)
            item.sha256 = each.sha256
            item.photo, item.person = each.photo, each.photo.person if each.photo else None
    _write(held.values())


def _held(keys: Iterable[int], lease: UUID) -> dict[int, ImportItem]:
    """The rows of some files, locked, as far as this run still has them."""
    rows = ImportItem.objects.select_for_update().filter(pk__in=list(keys), lease=lease)
    return {item.pk: item for item in rows.order_by("pk")}


def _set(item: ImportItem, state: ItemState, code: str, text: str) -> None:
    item.state, item.code, item.text = state, code, text
    item.let_go()


_WRITTEN = (
    "state", "code", "text", "lease", "leased_until", "sha256", "photo", "person", "made_photo",
    "made_person", "updated_at",
)  # fmt: skip


def _write(items: Iterable[ImportItem]) -> None:
    """Update rows that are held, in one statement; `bulk_update` takes five times as long."""
    ImportItem.objects.bulk_create(
        items, update_conflicts=True, unique_fields=["id"], update_fields=_WRITTEN
    )


def store(job: ImportJob, files: Sequence[Fresh], lease: UUID) -> None:
    """Store a group of files with all that follows, or nothing of it.

    Raises:
        StorageFull: the disk has no room for their originals.
        Changed: they are to be taken anew.
    """
    saved: dict[str, Original] = {}
    used: set[UUID] = set()
    try:
        with _no_full_disk(), synced_together():
            for each in files:
                if each.sha256 not in saved:
                    intake = Intake(each.data, each.sha256, each.info)
                    saved[each.sha256] = save_file(job.gallery, intake)
        with left_to_the_sweeper():
            used = _store(job, files, saved, lease)
    finally:
        # Of bytes that the gallery has, and of everything if it was rolled back.
        delete_files(each.file.name for each in saved.values() if each.public_id not in used)


@contextmanager
def _no_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull(
            "The server's disk is full. Free some space, then resume the import: it goes on where "
            "it was."
        ) from error


@transaction.atomic
def _store(
    job: ImportJob, files: Sequence[Fresh], saved: Mapping[str, Original], lease: UUID
) -> set[UUID]:
    """Returns the ids of the originals that it uses."""
    if not ImportJob.objects.filter(pk=job.pk, state=JobState.RUNNING).exists():
        return set()  # cancelled or paused: what is in hand is given back
    files = _still_ours(files, lease)
    people, made = _people(job, files)
    items = _held([each.item.pk for each in files], lease)
    if len(items) < len(files):
        raise Changed
    if job.gallery.model not in followed_models(job.gallery_id):
        raise Changed
    originals = store_originals([saved[sha256] for sha256 in {each.sha256 for each in files}])
    group = _Group(job, people, originals)
    for fresh in files:
        group.add(items[fresh.item.pk], fresh)
    group.conclude()
    for item in items.values():
        if item.person_id in made:
            item.made_person = True
            made.discard(item.person_id)
    _write(items.values())
    return {each.public_id for each in originals.values()}


def _still_ours(files: Sequence[Fresh], lease: UUID) -> list[Fresh]:
    """Without those that were taken away: nobody is made anew whose erasure took their files."""
    keys = [each.item.pk for each in files]
    held = set(ImportItem.objects.filter(pk__in=keys, lease=lease).values_list("pk", flat=True))
    return [each for each in files if each.item.pk in held]


class _Group:
    """Files that are stored together: their photos, of which some may be there already."""

    def __init__(
        self, job: ImportJob, people: Mapping[str, Person], originals: Mapping[str, Original]
    ) -> None:
        self._job, self._people, self._originals = job, people, originals
        self._items: list[tuple[ImportItem, Photo, bool]] = []
        self._found: list[Found] = []
        self._photos = self._known()

    def _known(self) -> dict[tuple[int | None, int], Photo]:
        photos = Photo.objects.select_for_update(of=("self",)).filter(
            person__in=[each.pk for each in self._people.values()],
            original__in=[each.pk for each in self._originals.values()],
        )
        return {(each.person_id, each.original_id): each for each in photos.order_by("pk")}

    def add(self, item: ImportItem, fresh: Fresh) -> None:
        """A file, by whose photo it becomes or is."""
        person, original = self._people[item.external_id], self._originals[fresh.sha256]
        known = self._photos.get((person.pk, original.pk))
        photo = known or Photo(
            gallery=self._job.gallery,
            person=person,
            original=original,
            source=Source.IMPORT,
        )
        self._photos[person.pk, original.pk] = photo
        if known is None or known.state in (PhotoState.RECEIVED, PhotoState.REJECTED):
            photo.gallery, photo.several_faces = self._job.gallery, item.several_faces
            self._found.append(Found(photo, person, fresh.info, fresh.faces))
        self._items.append((item, photo, known is None))
        item.person, item.sha256 = person, fresh.sha256

    def conclude(self) -> None:
        """Bring all photos to their final states, and give each file its result."""
        conclude(self._found)
        for item, photo, is_new in self._items:
            _set(item, *result_of(photo, is_new=is_new))
            item.photo, item.made_photo = photo, is_new


def _people(job: ImportJob, files: Sequence[Fresh]) -> tuple[dict[str, Person], set[int]]:
    """The people of some files by external id, locked; and the keys of those who are new."""
    wanted: dict[str, list[ImportItem]] = defaultdict(list)
    for each in files:
        wanted[each.item.external_id].append(each.item)
    roots = _people_of(job, wanted)
    new = [_new_person(job, wanted[each]) for each in sorted(set(wanted) - set(roots))]
    Person.objects.bulk_create(new, ignore_conflicts=True)
    roots |= _people_of(job, [each.external_id for each in new if each.external_id])
    locked = lock_people(roots.values())
    if len(locked) < len(set(roots.values())):
        raise Changed  # erased in this very moment
    # Another job may have been faster.
    ours = {each.public_id for each in new}
    made = {pk for pk, person in locked.items() if person.public_id in ours}
    record_all(ACTOR, [_entry("person.create", locked[pk]) for pk in sorted(made)])
    return {external_id: locked[pk] for external_id, pk in roots.items()}, made


def _new_person(job: ImportJob, items: Sequence[ImportItem]) -> Person:
    """Somebody as the first of their files that say something say it."""
    return Person(
        gallery=job.gallery,
        external_id=items[0].external_id,
        name=next((each.person_name for each in items if each.person_name), ""),
        metadata={key: text for each in reversed(items) for key, text in each.metadata.items()},
    )


def _known(job: ImportJob, external_ids: Iterable[str]) -> QuerySet[Person]:
    return Person.objects.filter(gallery=job.gallery_id, external_id__in=list(external_ids))


def _entry(action: str, person: Person) -> Entry:
    return Entry(action, f"person:{person.public_id}", person.gallery.public_id)
