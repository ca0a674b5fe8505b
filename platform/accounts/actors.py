"""The one who acts, as services and the audit log know them."""

from dataclasses import dataclass, field
from typing import Literal

from django.contrib.auth.models import AnonymousUser
from rest_framework.exceptions import NotAuthenticated

from common.errors import Forbidden

from .models import ApiKey, User


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, an API key, or the system itself (`name` says which part).

    It lives as long as a request. `roles` is what has been found out of theirs meanwhile, by the
    gallery's key (people/access.py).
    """

    kind: Literal["user", "api_key", "system"]
    name: str
    user: User | None = None
    api_key: ApiKey | None = None
    roles: dict[int, str | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_site_admin(self) -> bool:
        """Whether every gallery is open to them."""
        return self.kind == "system" or (self.user is not None and self.user.is_superuser)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def system(name: str) -> Actor:
    """A part of the platform that acts by itself, or a person at the server's command line."""
    return Actor("system", name)


def actor_of(caller: User | ApiKey | AnonymousUser) -> Actor:
    """The actor behind a request's `user`."""
    if isinstance(caller, ApiKey):
        return Actor("api_key", caller.prefix, api_key=caller)
    if isinstance(caller, User):
        return Actor("user", str(caller.public_id), user=caller)
    raise NotAuthenticated


def actor_now(caller: User | ApiKey | None) -> Actor:
    """The same for what was asked a while ago.

    Raises:
        Forbidden: they were deactivated since, or the key was revoked or has expired.
    """
    expired = isinstance(caller, ApiKey) and caller.has_expired
    if caller is None or expired or not caller.is_active:
        raise Forbidden("Whoever asked for this may do nothing any more.")
    return actor_of(caller)
