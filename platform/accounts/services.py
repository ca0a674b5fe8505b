"""Making those who act."""

import secrets
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audit.services import record
from common.errors import Conflict

from .access import require_site_admin
from .actors import Actor
from .models import ApiKey, User
from .sign_in import set_password


@transaction.atomic
def create_first_administrator(actor: Actor, username: str = "admin") -> str | None:
    """Make a site administrator if there is none; returns the generated password, once."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(15)
    user = User.objects.create_superuser(username, password=password)
    record(actor, "user.create", f"user:{user.public_id}", None)
    return password


def create_user(
    actor: Actor, username: str, password: str, *, is_site_admin: bool = False, **fields: Any
) -> User:
    """Somebody who can sign in, and see nothing before they are given a role.

    Raises:
        Forbidden: the actor is no site administrator.
        Conflict: somebody is called that (`username_taken`).
        ValidationError: the password is too easy to guess.
    """
    require_site_admin(actor)
    user = User(username=username, is_superuser=is_site_admin, is_staff=is_site_admin, **fields)
    set_password(user, password, field="password")
    try:
        with transaction.atomic():
            user.save()
            _record(actor, "user.create", user, is_site_admin=is_site_admin)
    except IntegrityError as error:
        raise Conflict(
            f"Somebody is called {username!r} already.", code="username_taken"
        ) from error
    return user


@transaction.atomic
def update_user(actor: Actor, user: User, password: str | None = None, **changes: Any) -> User:
    """Change somebody's account: names, address, `active`, `is_site_admin`, the password.

    Who is deactivated, or is given another password, is signed out everywhere.

    Raises:
        Forbidden: the actor is no site administrator.
        Conflict: nobody would be left who may do this (`last_site_admin`).
        ValidationError: the password is too easy to guess.
    """
    require_site_admin(actor)
    admins = list(_site_admins().select_for_update())
    user = User.objects.select_for_update().get(pk=user.pk)
    if "is_site_admin" in changes:
        changes["is_superuser"] = changes["is_staff"] = changes.pop("is_site_admin")
    for name, value in changes.items():
        setattr(user, name, value)
    stays = user.is_active and user.is_superuser
    if admins == [user] and not stays:
        raise Conflict(
            "This is the only site administrator. Make another one first.", code="last_site_admin"
        )
    if password is not None:
        set_password(user, password, field="password")
        _record(actor, "user.password", user)
    user.save()
    if changes:
        _record(actor, "user.update", user, fields=sorted(changes))
    return user


def _site_admins() -> QuerySet[User]:
    return User.objects.filter(is_active=True, is_superuser=True).order_by("pk")


def _record(actor: Actor, action: str, user: User, **details: Any) -> None:
    record(actor, action, f"user:{user.public_id}", None, **details)


def create_api_key(name: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again. It may do nothing yet."""
    key = ApiKey(name=name, expiry_date=expires_at)
    secret: str = ApiKey.objects.assign_key(key)
    key.save()
    return key, secret
