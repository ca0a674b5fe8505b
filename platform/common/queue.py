"""The seam to the workers: tasks are named, never imported."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

PROCESS_PHOTOS = "photos.process"
REEMBED_PHOTOS = "photos.reembed"
IDENTIFY_BATCHES = "photos.identify_batches"
APPLY_OUTBOX = "vectors.apply_outbox"
ADMIT_PEOPLE = "enrolment.admit"
WORK_ON_IMPORTS = "imports.work"
MEASURE_RECALL = "maintenance.measure_recall"


def enqueue_on_commit(task: str, *args: Any) -> None:
    """Send `task` when the present transaction is committed, and not if it is rolled back."""
    transaction.on_commit(lambda: enqueue(task, *args))


# Work that yields to all other: its message is worth nothing once it has waited so long (seconds),
# since the sweeper sends another. So there are never many of them in front of what is urgent.
PATIENCE = {REEMBED_PHOTOS: 3.0, WORK_ON_IMPORTS: 3.0}
_quiet = ContextVar("quiet", default=False)


@contextmanager
def left_to_the_sweeper() -> Iterator[None]:
    """Whatever is committed within sends no messages: the sweeper looks every five seconds.

    For bulk work that nobody waits for. What follows from it is then done for many at once, and
    not for the few of each transaction.
    """
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def enqueue(task: str, *args: Any) -> None:
    """Send `task` now.

    A broker that is away, or refuses, is logged and no more: the rows are the work, they are
    committed already, and the sweeper sends again what was lost.
    """
    if _quiet.get():
        return
    try:
        current_app.send_task(task, args=args, retry=False, expires=PATIENCE.get(task))
    except Exception as error:  # noqa: BLE001 - each broker's library has errors of its own
        # An address that can't be read is quoted in part: that may be of its password.
        reason = type(error).__name__ if isinstance(error, ValueError) else repr(error)
        logger.warning("the broker took no message, the sweeper will repeat it: %s", reason)


CONNECT_SECONDS = 3


@contextmanager
def connected() -> Iterator[Any]:
    """A connection of its own to the broker (kombu's), made in a few seconds at most.

    Raises:
        ValueError: CELERY_BROKER_URL can't be read. Its words may quote a part of the password.
        KombuError, AMQPError, OSError: nobody answers there, or doesn't let us in.
    """
    url = settings.CELERY_BROKER_URL
    patience: dict[str, Any] = {}
    if url.startswith("redis"):  # without it, one that accepts and stays silent is waited for
        patience = {"socket_timeout": CONNECT_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    for part in url.split(";"):  # kombu takes several, to be tried in turn
        _check_readable(part)
    with current_app.connection_for_write(
        url, connect_timeout=CONNECT_SECONDS, transport_options=patience
    ) as link:
        link.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS, interval_start=0)
        yield link


def _check_readable(url: str) -> None:
    """ValueError when a character of the password ended the host's part of the address early."""
    parts = urlsplit(url)
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("an @ behind the host")
    parts.port  # noqa: B018 - asked for the ValueError
