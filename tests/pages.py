"""The admin as its tests use it: a signed-in browser without JavaScript, and what pages say."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import AuditEntry


def signed_in(user: User, **settings: Any) -> Client:
    client = Client(**settings)
    client.force_login(user)
    return client


def told(answer: Any) -> list[str]:
    """The messages that the next page will show."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def acts() -> list[tuple[str, str]]:
    """Who did what, from the audit log."""
    return list(AuditEntry.objects.order_by("id").values_list("actor", "action"))


def queries(client: Client, page: str) -> int:
    """How many queries a page takes."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)
