"""The broker: does it let us in, how long are its queues, do the workers hear it?"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import AMQPError
from celery import current_app
from django.conf import settings
from kombu.exceptions import ChannelError, KombuError

from common.queue import connected
from operations.parts import Part, Refusal, failed, ok

_REFUSALS = (
    Refusal(
        ("ACCESS_REFUSED", "WRONGPASS", "invalid username-password", "invalid password"),
        "refuses the login",
        "Correct user and password in CELERY_BROKER_URL.",
    ),
    Refusal(
        ("NOAUTH", "Authentication required"),
        "asks for a password",
        "Write it into CELERY_BROKER_URL: redis://:PASSWORD@HOST:PORT/0.",
    ),
    Refusal(
        ("NOT_ALLOWED", "vhost"),
        "has no such virtual host, or not for this user",
        "Correct the end of CELERY_BROKER_URL, or `rabbitmqctl add_vhost` and `set_permissions`.",
    ),
    Refusal(
        ("DB index",),
        "has no database of this number",
        "Correct the number at the end of CELERY_BROKER_URL.",
    ),
    Refusal(("loading the dataset",), "is starting", "Wait a moment."),
)


def broker() -> Part:
    """Does it answer, and let us in?"""
    if _is_folder() and _folder().exists() and not os.access(_folder(), os.W_OK | os.X_OK):
        return failed(
            "broker",
            "its folder can't be written to",
            "Give this user write permission to it.",
            where=str(_folder()),
        )
    try:
        with connected():
            return ok("broker", "answers", where=_where())
    except ValueError:
        return failed(
            "broker",
            "its address cannot be read",
            "In the password in CELERY_BROKER_URL write %40 for @, %2F for /, %23 for #, "
            "%3F for ? and %25 for %.",
        )
    except (KombuError, AMQPError, OSError) as error:
        return _refused(error)


def _refused(error: Exception) -> Part:
    said = " ".join(str(each) for each in (error, error.__cause__ or ""))
    for refusal in _REFUSALS:
        if any(words in said for words in refusal.words):
            return failed("broker", refusal.detail, refusal.remedy, where=_where())
    remedy = "Start it, or correct CELERY_BROKER_URL."
    return failed("broker", "does not answer", remedy, where=_where())


def queue_names() -> list[str]:
    """All queues that tasks are routed to."""
    return sorted({route["queue"] for route in current_app.conf.task_routes.values()})


def queue_lengths() -> dict[str, int]:
    """How many messages wait in each queue. Raises as `connected` does."""
    with connected() as link:
        return {name: _length(link, name) for name in queue_names()}


def _length(link: Any, name: str) -> int:
    """One channel each: RabbitMQ closes it when there is no such queue yet."""
    with link.channel() as channel:
        try:
            return int(channel.queue_declare(queue=name, passive=True).message_count)
        except (ChannelError, AMQPError):
            return 0


def _is_folder() -> bool:
    return bool(settings.CELERY_BROKER_URL.startswith("filesystem"))


def _folder() -> Path:
    return Path(settings.BROKER_DIR)


def _where() -> str:
    """Its address without user and password."""
    if _is_folder():
        return str(_folder())
    shown = []
    for url in settings.CELERY_BROKER_URL.split(";"):
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        shown.append(f"{parts.scheme}://{parts.hostname}{port}{parts.path}")
    return ", ".join(shown)
