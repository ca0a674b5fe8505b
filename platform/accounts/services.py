"""Making those who act."""

import secrets

from django.db import transaction

from audit.services import record

from .actors import Actor
from .models import ApiKey, User


@transaction.atomic
def create_first_administrator(actor: Actor, username: str = "admin") -> str | None:
    """Make a site administrator if there is none; returns the generated password, once."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(15)
    user = User.objects.create_superuser(username, password=password)
    record(actor, "user.create", f"user:{user.public_id}", None)
    return password


def create_api_key(name: str) -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again. It may do nothing yet."""
    key = ApiKey(name=name)
    secret: str = ApiKey.objects.assign_key(key)
    key.save()
    return key, secret
