"""Storing what was found on some files of a job: people, photos, faces, templates, results.

A group of files is one transaction. People are locked first, in the order of their keys, then
photos, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.actors import system
from audit.services import record
from embedder.images import ImageInfo
from embedder.types import Face as FoundFace
from enrolment.following import followed_models
from enrolment.processing import conclude
from people.locks import lock_people
from people.models import Person
from people.selectors import root_of
from photos.intake import Intake
from photos.models import Original, Photo, PhotoState, Source
from photos.services import delete_files, save_file, store_photo

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


class GalleryChanged(Exception):  # noqa: N818 - it is no error: the files are taken anew
    """The gallery's model was changed while files of a job were in hand."""


def known_photo(job: ImportJob, item: ImportItem, sha256: str) -> Photo | None:
    """The photo of the same bytes that the person of an item has, in its final state.

    One that was rejected counts for nothing if the file now comes with another choice among its
    faces.
    """
    photos = Photo.objects.filter(
        gallery=job.gallery_id,
        original__sha256=sha256,
        person__external_id=item.external_id,
    )
    found = photos.select_related("person").first() or _merged_photo(job, item, sha256)
    if found is None or found.state not in _RESULTS:
        return None
    is_another_choice = item.several_faces and item.several_faces != found.several_faces
    return None if found.state == PhotoState.REJECTED and is_another_choice else found


def _merged_photo(job: ImportJob, item: ImportItem, sha256: str) -> Photo | None:
    """The same of somebody whom the item's person turned out to be."""
    merged = Person.objects.filter(
        gallery=job.gallery_id, external_id=item.external_id, merged_into__isnull=False
    ).first()
    if merged is None:
        return None
    return Photo.objects.filter(person=root_of(merged), original__sha256=sha256).first()


def result_of(photo: Photo, *, is_new: bool) -> tuple[ItemState, str, str]:
    """What a photo's state means for the file: state, code, sentence."""
    if photo.state == PhotoState.ENROLLED and not is_new:
        return ItemState.DUPLICATE, "known", "The person has this very photo already."
    return _RESULTS[PhotoState(photo.state)], photo.code, photo.text


@transaction.atomic
def finish(
    item: ImportItem,
    lease: UUID,
    state: ItemState,
    code: str = "",
    text: str = "",
    **fields: Any,
) -> None:
    """Give a file its result, if this run still has it."""
    held = ImportItem.objects.select_for_update().filter(pk=item.pk, lease=lease).first()
    if held is None:
        return
    photo: Photo | None = fields.get("photo")
    if photo is not None:
        fields["person"] = photo.person
    _set(held, state, code, text, **fields)
    held.save()


def _set(item: ImportItem, state: ItemState, code: str, text: str, **fields: Any) -> None:
    item.state, item.code, item.text = state, code, text
    item.lease = item.leased_until = None
    for name, value in fields.items():
        setattr(item, name, value)


def store(job: ImportJob, files: Sequence[Fresh], lease: UUID) -> None:
    """Store a group of files with all that follows, or nothing of it."""
    saved = [save_file(job.gallery, _intake(each)) for each in files]
    used: set[str] = set()
    try:
        used = _store(job, files, saved, lease)
    finally:
        # Of bytes that the gallery has, and of everything if it was rolled back.
        delete_files(each.file.name for each in saved if str(each.public_id) not in used)


def _intake(fresh: Fresh) -> Intake:
    return Intake(fresh.data, fresh.sha256, fresh.info)


@transaction.atomic
def _store(
    job: ImportJob, files: Sequence[Fresh], saved: Sequence[Original], lease: UUID
) -> set[str]:
    """Returns the ids of the originals that are new."""
    if not ImportJob.objects.filter(pk=job.pk, state=JobState.RUNNING).exists():
        return set()  # cancelled or paused: what is in hand is given back
    people, made = _people(job, files)
    keys = [each.item.pk for each in files]
    held = ImportItem.objects.select_for_update().filter(pk__in=keys, lease=lease).order_by("pk")
    items = {item.pk: item for item in held}
    if job.gallery.model not in followed_models(job.gallery_id):
        raise GalleryChanged
    used = set()
    for fresh, original in zip(files, saved, strict=True):
        item = items.get(fresh.item.pk)
        if item is not None:
            person = people[item.external_id]
            used |= _store_one(job, fresh, original, item, person)
            item.made_person = person.pk in made
            made.discard(person.pk)
    ImportItem.objects.bulk_update(
        items.values(),
        ["state", "code", "text", "lease", "leased_until", "sha256", "photo", "person",
         "made_photo", "made_person"],
    )  # fmt: skip
    return used


def _store_one(
    job: ImportJob, fresh: Fresh, original: Original, item: ImportItem, person: Person
) -> set[str]:
    fields = {"several_faces": item.several_faces, "source": Source.IMPORT}
    photo, is_new = store_photo(person, original, fields)
    if is_new or photo.state in (PhotoState.RECEIVED, PhotoState.REJECTED):
        photo.gallery, photo.several_faces = job.gallery, item.several_faces
        conclude(photo, person, fresh.info, fresh.faces)
    _set(
        item, *result_of(photo, is_new=is_new), photo=photo, person=person, sha256=fresh.sha256,
        made_photo=is_new,
    )  # fmt: skip
    return {str(photo.original.public_id)} if is_new else set()


def _people(job: ImportJob, files: Sequence[Fresh]) -> tuple[dict[str, Person], set[int]]:
    """The people of some files by external id, locked; and the keys of those who are new."""
    wanted = {each.item.external_id: each.item for each in files}
    before = set(_known(job, wanted).values_list("pk", flat=True))
    missing = set(wanted) - set(_known(job, wanted).values_list("external_id", flat=True))
    Person.objects.bulk_create(
        [
            Person(
                gallery=job.gallery,
                external_id=each,
                name=wanted[each].person_name,
                metadata=wanted[each].metadata,
            )
            for each in sorted(missing)
        ],
        ignore_conflicts=True,
    )
    found = {each.external_id: each for each in _known(job, wanted)}
    roots = {external_id: root_of(person).pk for external_id, person in found.items()}
    locked = lock_people(roots.values())
    made = {each.pk for each in found.values()} - before
    for person in found.values():
        if person.pk in made:
            _record("person.create", person)
    return {external_id: locked[pk] for external_id, pk in roots.items()}, made


def _known(job: ImportJob, external_ids: Any) -> Any:
    return Person.objects.filter(gallery=job.gallery, external_id__in=list(external_ids))


def _record(action: str, person: Person) -> None:
    record(ACTOR, action, f"person:{person.public_id}", person.gallery.public_id)
