"""Use cases on enrolled people: in and out of searches, removing photos, erasing."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from accounts.actors import Actor
from audit.services import record
from common.errors import Conflict, NotFound
from common.models import IdempotentRequest
from people.access import require
from people.locks import lock_people, lock_person
from people.models import Held, Person, Role
from people.services import update_person
from photos.models import Photo
from photos.services import lock_photo, remove
from reviews.services import forget_words
from vectors.models import PersonTemplate
from vectors.services import remove_templates, touch_templates

from .adjudication import drop_from_reviews, only_candidate_in
from .admitting import begin_admission
from .fusion import merged_into, refresh_templates
from .ledger_file import write_down
from .models import Erasure

# What rooms above this one hold of somebody, and remove in the transaction of the erasure.
also_erase: list[Callable[[Person], None]] = []


@transaction.atomic
def set_active(actor: Actor, person: Person, *, active: bool) -> Person:
    """Let searches find a person, or not. Their photos and template stay.

    Somebody who was never looked for among those enrolled is, before searches find them.

    Raises:
        Conflict: the platform holds them (`held`): until they have been looked for, or a reviewer
            has decided; or for good, since they turned out to be somebody else.
    """
    require(actor, person.gallery, Role.OPERATOR)
    person = lock_person(person.pk)
    if person.held:
        raise Conflict(
            f"The platform keeps them out of searches: {Held(person.held).label}.", code="held"
        )
    if person.active == active:
        return person
    person.active = active
    person.save(update_fields=["active", "updated_at"])
    touch_templates([person])
    _record(actor, "person.activate" if active else "person.deactivate", person)
    if active and person.admitted_at is None and person.templates.exists():
        begin_admission([person])
    return person


@transaction.atomic
def change_person(actor: Actor, person: Person, **changes: Any) -> Person:
    """Change what is known of a person and, with `active`, whether searches find them.

    Raises:
        Conflict: the external id is another person's there (`external_id_taken`).
    """
    active = changes.pop("active", None)
    if changes:
        person = update_person(actor, person, **changes)
    return person if active is None else set_active(actor, person, active=active)


@transaction.atomic
def delete_photo(actor: Actor, photo: Photo) -> None:
    """Delete a photo with its faces; the person's template is made anew without it."""
    require(actor, photo.gallery, Role.OPERATOR)
    whose = Photo.objects.filter(pk=photo.pk).values_list("person", flat=True).first()
    person = lock_person(whose) if whose else None
    locked = lock_photo(photo.pk)
    if locked.person_id != whose:
        raise _changed()  # by a merge that was faster
    remove([locked])
    if person is not None:
        refresh_templates(person)
    record(actor, "photo.delete", f"photo:{photo.public_id}", photo.gallery.public_id)


@transaction.atomic
def erase(actor: Actor, person: Person, *, replayed: bool = False) -> Erasure:
    """Erase a person: rows, files, templates, index entries, remembered answers.

    With them goes whoever was merged into them. From the commit on no search returns them,
    whatever Milvus still holds; the outbox removes that within seconds. What stays is the ledger's
    entry, which holds ids and counts only and is written to a file of its own as well. `replayed`:
    the ledger named them, and they were back.

    Raises:
        Conflict: they were merged into somebody else (`merged`), who has their photos.
    """
    require(actor, person.gallery, Role.ADMIN)
    person, others = _locked_for_erasure(person)
    if person.merged_into is not None:
        raise Conflict(
            "They turned out to be another person. Erase that one, and both are erased; or undo "
            "the merge first.",
            code="merged",
            person=str(person.merged_into.public_id),
        )
    drop_from_reviews([person, *others])
    forget_words([person, *others])
    for each in others:
        _erase_one(actor, each, replayed=replayed)
    erasure = _erase_one(actor, person, replayed=replayed)
    # Requests still under way may be about to be remembered with this person in their answer.
    IdempotentRequest.objects.filter(status=None).delete()
    return erasure


def _locked_for_erasure(person: Person) -> tuple[Person, list[Person]]:
    """Somebody, and all who were merged into them: locked, and with them whoever is released."""
    family = [person, *merged_into(person)]
    waiting = only_candidate_in(family).exclude(person=None).values_list("person", flat=True)
    people = lock_people([*(each.pk for each in family), *waiting])
    if person.pk not in people:
        raise NotFound("person")
    now = [person, *merged_into(people[person.pk])]
    if {each.pk for each in now} != {each.pk for each in family}:
        raise _changed()  # by a merge, or its undoing, that was faster
    return people[person.pk], [people[each.pk] for each in family[1:] if each.pk in people]


def _changed() -> Conflict:
    return Conflict(
        "Who is whom was changed in this very moment. Look, and try again.", code="changed"
    )


def _erase_one(actor: Actor, person: Person, *, replayed: bool) -> Erasure:
    template_ids = list(PersonTemplate.objects.filter(person=person).values_list("pk", flat=True))
    photos = list(Photo.objects.filter(person=person))
    remove(photos)
    templates = remove_templates(person)
    erasure, is_new = Erasure.objects.get_or_create(
        person=person.public_id,
        defaults={
            "gallery": person.gallery.public_id,
            "actor": str(actor),
            "photos": len(photos),
            "templates": templates,
            "template_ids": template_ids,
            "photo_ids": [str(each.public_id) for each in photos],
        },
    )
    if is_new:
        transaction.on_commit(lambda: write_down(erasure))
    _record(actor, "person.erase", person, **({"replayed": True} if replayed else {}))
    for forget in also_erase:
        forget(person)
    IdempotentRequest.objects.filter(body__contains=str(person.public_id)).delete()
    person.delete()
    return erasure


def _record(actor: Actor, action: str, person: Person, **details: Any) -> None:
    record(actor, action, f"person:{person.public_id}", person.gallery.public_id, **details)
