"""Undoing a job: what it added goes, and only that.

A photo that was there before stays, and so does whoever had been there, or has other photos since.
"""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from accounts.actors import system
from common.errors import NotFound
from enrolment.services import delete_photo, erase
from people.models import Person

from .models import ImportItem, ImportJob, JobState

ACTOR = system("import")
AT_ONCE = 50


def undo_some(job: ImportJob) -> None:
    """Remove the next photos of a job and, in the end, the people that it made."""
    photos = job.items.filter(made_photo=True, photo__isnull=False).select_related("photo__gallery")
    some = list(photos.order_by("pk")[:AT_ONCE])
    for item in some:
        _remove_photo(item)
    if some:
        return
    people = job.items.filter(made_person=True, person__isnull=False)
    several = list(people.select_related("person__gallery").order_by("pk")[:AT_ONCE])
    for item in several:
        with suppress(NotFound):  # erased in the same moment, by whoever undoes it, too
            _remove_person(item)
    if not several:
        ImportJob.objects.filter(pk=job.pk, state=JobState.UNDOING).update(
            state=JobState.UNDONE, finished_at=timezone.now()
        )


def _remove_photo(item: ImportItem) -> None:
    if item.photo is None:
        return
    try:
        delete_photo(ACTOR, item.photo)
    except NotFound:
        return  # deleted in the same moment


@transaction.atomic
def _remove_person(item: ImportItem) -> None:
    """Erase somebody whom the job made, unless something of theirs came from elsewhere."""
    person = item.person
    if person is not None and _is_empty(person):
        erase(ACTOR, person)
    else:
        ImportItem.objects.filter(pk=item.pk).update(made_person=False)


def _is_empty(person: Person) -> bool:
    rows = (person.photos, person.templates, person.merged_from)
    return person.merged_into_id is None and not any(each.exists() for each in rows)
