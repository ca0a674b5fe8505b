"""Who may do what in which gallery: the one place that decides.

Default deny. What an actor may not see does not exist for them (404); what they may see but not
do is forbidden (403).
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from accounts.access import require_site_admin as require_site_admin  # noqa: PLC0414 - shown here
from accounts.actors import Actor
from common.errors import Forbidden, NotFound

from .models import Gallery, Membership, Role


def visible_galleries(actor: Actor) -> QuerySet[Gallery]:
    """The galleries where the actor has any role."""
    if actor.is_site_admin:
        return Gallery.objects.all()
    return Gallery.objects.filter(id__in=_memberships(actor).values("gallery"))


def galleries_where(actor: Actor, role: Role) -> QuerySet[Gallery]:
    """The galleries where the actor has at least this role."""
    if actor.is_site_admin:
        return Gallery.objects.all()
    enough = [each for each in Role if each.rank >= role.rank]
    return Gallery.objects.filter(
        id__in=_memberships(actor).filter(role__in=enough).values("gallery")
    )


def roles_of(actor: Actor) -> list[tuple[Gallery, Role]]:
    """The galleries that the actor sees, by name, each with what they are there. One query."""
    if actor.is_site_admin:
        return [(each, Role.ADMIN) for each in Gallery.objects.order_by("name", "pk")]
    found = _memberships(actor).select_related("gallery").order_by("gallery__name", "gallery_id")
    return [(each.gallery, Role(each.role)) for each in found]


def gallery_for(actor: Actor, public_id: UUID, role: Role) -> Gallery:
    """The gallery of this id, if the actor has at least `role` in it.

    Raises:
        NotFound: it does not exist or the actor has no role in it.
        Forbidden: the actor's role there is less.
    """
    gallery = _visible_gallery(actor, public_id)
    if gallery is None:
        raise NotFound("gallery")
    require(actor, gallery, role)
    return gallery


def galleries_for(actor: Actor, public_ids: Iterable[UUID], role: Role) -> list[Gallery]:
    """The galleries of these ids, each once, in their order. Raises as `gallery_for`."""
    return [gallery_for(actor, each, role) for each in dict.fromkeys(public_ids)]


def _visible_gallery(actor: Actor, public_id: UUID) -> Gallery | None:
    if actor.is_site_admin:
        return Gallery.objects.filter(public_id=public_id).first()
    found = _memberships(actor).select_related("gallery").filter(gallery__public_id=public_id)
    member = found.first()
    if member is None:
        return None
    actor.roles[member.gallery_id] = member.role
    return member.gallery


def require(actor: Actor, gallery: Gallery, role: Role) -> None:
    """Raise unless the actor has at least `role` in the gallery.

    Raises:
        NotFound: the actor has no role there at all.
        Forbidden: the actor's role there is less.
    """
    if actor.is_site_admin:
        return
    held = _role(actor, gallery)
    if held is None:
        raise NotFound("gallery")
    if Role(held).rank < role.rank:
        raise Forbidden(
            f"This needs the role {role.value!r} in the gallery; yours is {held!r}.",
            code="role_needed",
        )


def _role(actor: Actor, gallery: Gallery) -> str | None:
    """The actor's role in the gallery, asked for once in the actor's life."""
    if gallery.pk not in actor.roles:
        member = _memberships(actor).filter(gallery=gallery).first()
        actor.roles[gallery.pk] = member.role if member else None
    return actor.roles[gallery.pk]


def require_member(actor: Actor) -> None:
    """Raise Forbidden unless the actor has a role in some gallery."""
    if not actor.is_site_admin and not _memberships(actor).exists():
        raise Forbidden("This needs a role in a gallery; you have none.", code="role_needed")


def _memberships(actor: Actor) -> QuerySet[Membership]:
    if actor.user is not None:
        return Membership.objects.filter(user=actor.user)
    if actor.api_key is not None:
        return Membership.objects.filter(api_key=actor.api_key)
    return Membership.objects.none()
