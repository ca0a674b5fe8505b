"""Changing galleries, people and memberships. Enrolling and erasing faces is `enrolment`'s."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.actors import Actor
from accounts.models import ApiKey, User
from accounts.services import create_api_key
from audit.services import record
from common.errors import Conflict, NotFound
from common.idempotency import forget_answers_to
from embedder.catalogue import Model

from .access import require, require_site_admin
from .catalogue import default_model, installed_model, note_model, usable_model
from .locks import lock_gallery, lock_person
from .models import Gallery, KnownModel, Membership, Person, Role


def create_gallery(actor: Actor, **fields: Any) -> Gallery:
    """Make a gallery; its maker, if a user, becomes its administrator.

    Without `model` it has that of new galleries, which is not loaded here.

    Raises:
        Forbidden: the actor is no site administrator.
        Conflict: the slug is taken (`slug_taken`).
        UnknownModel, UnusableModel, ModelChanged: the model can't be used.
    """
    require_site_admin(actor)
    model = _model_of(fields)
    try:
        with transaction.atomic():
            note_model(model)
            gallery = Gallery.objects.create(**fields, model=model.name)
            if actor.user is not None:
                Membership.objects.create(gallery=gallery, user=actor.user, role=Role.ADMIN)
            _record(actor, "gallery.create", gallery)
    except IntegrityError as error:
        raise Conflict(
            f"Another gallery has the slug {fields.get('slug')!r}.", code="slug_taken"
        ) from error
    return gallery


def _model_of(fields: dict[str, Any]) -> Model:
    """Take the model out of a new gallery's fields."""
    if "model" in fields:
        return usable_model(fields.pop("model"))
    return installed_model(default_model())


def use_model(actor: Actor, name: str) -> None:
    """Give new galleries this model, unless they name another.

    Raises:
        Forbidden: the actor is no site administrator.
        UnknownModel, UnusableModel, ModelChanged: the model can't be used.
    """
    require_site_admin(actor)
    model = usable_model(name)
    with transaction.atomic():
        KnownModel.objects.filter(for_new_galleries=True).update(for_new_galleries=False)
        known = note_model(model)
        known.for_new_galleries = True
        known.save(update_fields=["for_new_galleries"])
        record(actor, "model.use", f"model:{name}", None)


@transaction.atomic
def update_gallery(actor: Actor, gallery: Gallery, **changes: Any) -> Gallery:
    """Change a gallery's settings. They hold for photos processed from then on."""
    require(actor, gallery, Role.ADMIN)
    gallery = lock_gallery(gallery.pk)
    for field, value in changes.items():
        setattr(gallery, field, value)
    gallery.save(update_fields=[*changes, "updated_at"])
    _record(actor, "gallery.update", gallery, fields=sorted(changes))
    return gallery


def delete_gallery(actor: Actor, gallery: Gallery) -> None:
    """Delete an empty gallery and the API keys that belong to it.

    Raises:
        NotFound: it was deleted in the meantime.
        Conflict: people or photos are still in it (`gallery_not_empty`).
    """
    require(actor, gallery, Role.ADMIN)
    try:
        with transaction.atomic():
            # Before what goes with it is looked for: what is being added to it comes first.
            lock_gallery(gallery.pk)
            _record(actor, "gallery.delete", gallery)
            ApiKey.objects.filter(membership__gallery=gallery).delete()
            gallery.delete()
    except (ProtectedError, IntegrityError) as error:
        raise Conflict(
            "The gallery still holds people or photos. Erase them first.",
            code="gallery_not_empty",
        ) from error


def create_person(actor: Actor, gallery: Gallery, **fields: Any) -> Person:
    """Add somebody to a gallery, without a face yet.

    Raises:
        Conflict: the external id is another person's there (`external_id_taken`).
    """
    require(actor, gallery, Role.OPERATOR)
    try:
        with transaction.atomic():
            person = Person.objects.create(gallery=gallery, **fields)
            _record_person(actor, "person.create", person)
    except IntegrityError as error:
        if not Gallery.objects.filter(pk=gallery.pk).exists():
            raise NotFound("gallery") from error
        raise _external_id_taken(fields.get("external_id", "")) from error
    return person


def update_person(actor: Actor, person: Person, **changes: Any) -> Person:
    """Change what is known of a person, other than whether they are found.

    Raises:
        Conflict: the external id is another person's there (`external_id_taken`).
        NotFound: they were erased in the meantime.
    """
    require(actor, person.gallery, Role.OPERATOR)
    try:
        with transaction.atomic():
            person = lock_person(person.pk)
            for field, value in changes.items():
                setattr(person, field, value)
            person.save(update_fields=[*changes, "updated_at"])
            _record_person(actor, "person.update", person, fields=sorted(changes))
    except IntegrityError as error:
        raise _external_id_taken(changes["external_id"]) from error
    return person


@transaction.atomic
def issue_api_key(
    actor: Actor, gallery: Gallery, role: Role, name: str, expires_at: datetime | None = None
) -> str:
    """Make a key for this gallery and return its secret, which is shown this once."""
    require(actor, gallery, Role.ADMIN)
    key, secret = create_api_key(name, expires_at)
    Membership.objects.create(gallery=gallery, api_key=key, role=role)
    record(actor, "api_key.create", f"api_key:{key.prefix}", gallery.public_id, role=role.value)
    return secret


@transaction.atomic
def revoke_api_key(actor: Actor, gallery: Gallery, prefix: str) -> None:
    """Make a key of this gallery useless, for good.

    Raises:
        NotFound: the gallery has no key of this prefix.
    """
    require(actor, gallery, Role.ADMIN)
    member = Membership.objects.filter(gallery=gallery, api_key__prefix=prefix).first()
    if member is None or member.api_key is None:
        raise NotFound("API key")
    member.api_key.revoked = True
    member.api_key.save()
    record(actor, "api_key.revoke", f"api_key:{prefix}", gallery.public_id)


@transaction.atomic
def grant_role(actor: Actor, gallery: Gallery, user: User, role: Role) -> Membership:
    """Give a user this role in the gallery, instead of the one they may have had."""
    require(actor, gallery, Role.ADMIN)
    member, _ = Membership.objects.update_or_create(
        gallery=gallery, user=user, defaults={"role": role}
    )
    forget_answers_to(user)
    _record_member(actor, "membership.grant", gallery, user, role=role.value)
    return member


@transaction.atomic
def revoke_role(actor: Actor, gallery: Gallery, user: User) -> None:
    """Take a user's role in the gallery away; from then on they see nothing of it.

    The last administrator may go: site administrators remain.

    Raises:
        NotFound: the user has no role there.
    """
    require(actor, gallery, Role.ADMIN)
    deleted, _ = Membership.objects.filter(gallery=gallery, user=user).delete()
    if not deleted:
        raise NotFound("membership")
    forget_answers_to(user)
    _record_member(actor, "membership.revoke", gallery, user)


def _external_id_taken(external_id: str) -> Conflict:
    return Conflict(
        f"Another person of this gallery has the external id {external_id!r}.",
        code="external_id_taken",
    )


def _record(actor: Actor, action: str, gallery: Gallery, **details: Any) -> None:
    record(actor, action, f"gallery:{gallery.public_id}", gallery.public_id, **details)


def _record_person(actor: Actor, action: str, person: Person, **details: Any) -> None:
    record(actor, action, f"person:{person.public_id}", person.gallery.public_id, **details)


def _record_member(actor: Actor, action: str, gallery: Gallery, user: User, **details: Any) -> None:
    record(actor, action, f"user:{user.public_id}", gallery.public_id, **details)
