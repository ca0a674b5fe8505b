"""Undoing a job: what it added goes, and only that.

A photo that was there before stays, and so does whoever had been there, or has other photos since.
"""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.actors import system
from common.errors import NotFound
from enrolment.services import delete_photo, erase
from people.locks import lock_person
from people.models import Person

from .models import ImportItem, ImportJob, ItemState, JobState

ACTOR = system("import")
AT_ONCE = 50


def undo_some(job: ImportJob) -> None:
    """Remove the next photos of a job and, in the end, the people that it made."""
    _take_back(job)
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


def _take_back(job: ImportJob) -> None:
    """Take from a worker what it has in hand still: what it stored later would stay for good.

    One that is about to commit is waited for, and what it has stored is removed with the rest.
    """
    if not job.items.filter(state=ItemState.WORKING).exists():
        return
    with transaction.atomic():
        held = job.items.select_for_update().filter(state=ItemState.WORKING).order_by("pk")
        keys = [item.pk for item in held]
        ImportItem.objects.filter(pk__in=keys).update(
            state=ItemState.WAITING, lease=None, leased_until=None, attempts=F("attempts") - 1
        )


def _remove_photo(item: ImportItem) -> None:
    if item.photo is None:
        return
    try:
        delete_photo(ACTOR, item.photo)
    except NotFound:
        return  # deleted in the same moment


def _remove_person(item: ImportItem) -> None:
    """Erase somebody whom the job made, unless something of theirs came from elsewhere."""
    with suppress(NotFound), transaction.atomic():
        # Before the look: a photo that is sent in this moment comes first, or finds nobody.
        person = lock_person(item.person_id or 0)
        if _is_empty(person):
            erase(ACTOR, person)
        else:
            ImportItem.objects.filter(pk=item.pk).update(made_person=False)


def _is_empty(person: Person) -> bool:
    rows = (person.photos, person.templates, person.merged_from)
    return person.merged_into_id is None and not any(each.exists() for each in rows)
