"""Use cases on enrolled people: in and out of searches, removing photos, erasing."""

from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.actors import Actor
from audit.services import record
from common.models import IdempotentRequest
from people.access import require
from people.locks import lock_person
from people.models import Person, Role
from people.services import update_person
from photos.models import Photo
from photos.services import lock_photo, remove
from vectors.models import PersonTemplate
from vectors.services import remove_templates, touch_templates

from .fusion import refresh_templates
from .ledger_file import write_down
from .models import Erasure


@transaction.atomic
def set_active(actor: Actor, person: Person, *, active: bool) -> Person:
    """Let searches find a person, or not. Their photos and template stay."""
    require(actor, person.gallery, Role.OPERATOR)
    person = lock_person(person.pk)
    if person.active == active:
        return person
    person.active = active
    person.save(update_fields=["active", "updated_at"])
    touch_templates(person)
    _record(actor, "person.activate" if active else "person.deactivate", person)
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
    person = lock_person(photo.person_id) if photo.person_id else None
    remove([lock_photo(photo.pk)])
    if person is not None:
        refresh_templates(person)
    record(actor, "photo.delete", f"photo:{photo.public_id}", photo.gallery.public_id)


@transaction.atomic
def erase(actor: Actor, person: Person, *, replayed: bool = False) -> Erasure:
    """Erase a person: rows, files, templates, index entries, remembered answers.

    From the commit on no search returns them, whatever Milvus still holds; the outbox removes
    that within seconds. What stays is the ledger's entry, which holds ids and counts only and is
    written to a file of its own as well. `replayed`: the ledger named them, and they were back.
    """
    require(actor, person.gallery, Role.ADMIN)
    person = lock_person(person.pk)
    template_ids = list(PersonTemplate.objects.filter(person=person).values_list("pk", flat=True))
    photos = remove(Photo.objects.filter(person=person))
    templates = remove_templates(person)
    erasure, is_new = Erasure.objects.get_or_create(
        person=person.public_id,
        defaults={
            "gallery": person.gallery.public_id,
            "actor": str(actor),
            "photos": photos,
            "templates": templates,
            "template_ids": template_ids,
        },
    )
    if is_new:
        transaction.on_commit(lambda: write_down(erasure))
    _record(actor, "person.erase", person, **({"replayed": True} if replayed else {}))
    # Requests still under way may be about to be remembered with this person in their answer.
    IdempotentRequest.objects.filter(
        Q(body__contains=str(person.public_id)) | Q(status=None)
    ).delete()
    person.delete()
    return erasure


def _record(actor: Actor, action: str, person: Person, **details: Any) -> None:
    record(actor, action, f"person:{person.public_id}", person.gallery.public_id, **details)
