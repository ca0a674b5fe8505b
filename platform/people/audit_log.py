"""Reading the audit log: who may see what of it, and what its actors are called."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from accounts.actors import Actor
from accounts.models import ApiKey, User
from audit.models import AuditEntry
from common.errors import Forbidden

from .access import galleries_where
from .models import Role


def visible_entries(actor: Actor) -> QuerySet[AuditEntry]:
    """All of them for site administrators; else those of the galleries that the actor administers.

    Raises:
        Forbidden: they administer none.
    """
    if actor.is_site_admin:
        return AuditEntry.objects.all()
    galleries = list(galleries_where(actor, Role.ADMIN).values_list("public_id", flat=True))
    if not galleries:
        raise Forbidden("This needs the role 'admin' in a gallery.", code="role_needed")
    return AuditEntry.objects.filter(gallery__in=galleries)


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """What those actors who are users or keys are called, in two queries at most."""
    ids: dict[str, set[str]] = {"user": set(), "api_key": set()}
    for actor in actors:
        kind, _, name = actor.partition(":")
        ids.get(kind, set()).add(name)
    users = User.objects.filter(public_id__in=filter(_is_uuid, ids["user"]))
    keys = ApiKey.objects.filter(prefix__in=ids["api_key"])
    return {
        **{f"user:{pk}": name for pk, name in users.values_list("public_id", "username")},
        **{f"api_key:{prefix}": name for prefix, name in keys.values_list("prefix", "name")},
    }


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
