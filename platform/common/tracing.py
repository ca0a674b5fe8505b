"""The request's id on its way through the queue, so that a task's log lines show what caused it."""

from typing import Any

import structlog
from celery.signals import setup_logging, task_postrun
from django.db import OperationalError
from django_structlog.celery import signals
from django_structlog.celery.receivers import CeleryReceiver
from structlog.contextvars import bind_contextvars, clear_contextvars

from .logs import REQUEST_ID, request_id, without_values

_PARENT = "parent_task_id"
logger = structlog.get_logger(__name__)


class _Receiver(CeleryReceiver):
    """One line for each task that a request caused. The clock's ticks stay silent."""

    def receiver_task_success(
        self, result: str | None = None, sender: Any | None = None, **_: Any
    ) -> None:
        figures: dict[str, Any] = {}
        self.add_duration_ms(sender, figures)
        if request_id():
            logger.info("task", ms=figures.get("duration_ms"))

    def receiver_task_failure(
        self,
        task_id: str | None = None,
        exception: Exception | None = None,
        *_args: Any,
        sender: Any | None = None,
        **_: Any,
    ) -> None:
        if isinstance(exception, OperationalError):
            # It is away; every task says so until it is back, and none of them is to blame.
            logger.warning("task failed: %s", without_values(exception))
        else:
            logger.error("task failed", exc_info=exception)

    def receiver_task_revoked(self, request: Any, *_args: Any, **_: Any) -> None:
        """Ticks of the clock that waited behind long work are taken back: nothing to be told."""


# Signals know their receivers weakly.
_receiver = _Receiver()


def connect() -> None:
    """Listen to what is sent and what is run. Once in each process."""
    _receiver.connect_worker_signals()
    signals.modify_context_before_task_publish.connect(_carry_ids_only)
    signals.bind_extra_task_metadata.connect(_name_task)
    task_postrun.connect(_forget_task)
    setup_logging.connect(_leave_logging_alone)


def _carry_ids_only(context: dict[str, Any], **_: Any) -> None:
    """A message holds nothing else of what its sender's log lines say."""
    for name in set(context) - {REQUEST_ID, _PARENT}:
        del context[name]


def _name_task(task: Any, **_: Any) -> None:
    """So that each line says of which task."""
    bind_contextvars(task=task.name)


def _forget_task(**_: Any) -> None:
    """What the worker says until the next one belongs to none."""
    clear_contextvars()


def _leave_logging_alone(**_: Any) -> None:
    """Django's settings have set it up; without this Celery would choose levels of its own."""
