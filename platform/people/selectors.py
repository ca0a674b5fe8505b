"""Reading people."""

from uuid import UUID

from django.db.models import QuerySet

from accounts.actors import Actor
from accounts.models import ApiKey
from common.errors import NotFound

from .access import galleries_where, require, visible_galleries
from .models import Membership, Person, Role


def visible_people(actor: Actor) -> QuerySet[Person]:
    """Everybody in the actor's galleries, with the gallery."""
    people = Person.objects.select_related("gallery", "merged_into")
    if actor.is_site_admin:
        return people
    return people.filter(gallery__in=visible_galleries(actor))


def visible_members(actor: Actor) -> QuerySet[Membership]:
    """The roles of users in the galleries that the actor administers."""
    members = Membership.objects.filter(user__isnull=False).select_related("user", "gallery")
    return members.filter(gallery__in=galleries_where(actor, Role.ADMIN))


def visible_keys(actor: Actor) -> QuerySet[ApiKey]:
    """The API keys of the galleries that the actor administers, with their roles."""
    keys = ApiKey.objects.select_related("membership__gallery")
    return keys.filter(membership__gallery__in=galleries_where(actor, Role.ADMIN))


def root_of(person: Person) -> Person:
    """Who somebody is, after all merges."""
    while person.merged_into is not None:
        person = person.merged_into
    return person


def person_for(actor: Actor, public_id: UUID, role: Role) -> Person:
    """The person of this id, if the actor has at least `role` in their gallery.

    Raises:
        NotFound: there is none, or it is another tenant's.
        Forbidden: the actor's role is less.
    """
    person = visible_people(actor).filter(public_id=public_id).first()
    if person is None:
        raise NotFound("person")
    require(actor, person.gallery, role)
    return person
