"""How every log line looks, whichever library wrote it, and what must not stand in one.

A line says which request it belongs to (`request_id`), also in the tasks that the request caused.
No line may hold a person's name, a vector, a photo, a file's name, a key or a password: our own
messages have only ids in them, addresses are written without their query, and errors of the
database lose the values that it quotes.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import DataError, Error
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.types import EventDict, Processor

REQUEST_ID = "request_id"
_QUOTED = re.compile(r'"[^"]*"')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# In lines for people these come first, in this order, or not at all.
_PLACED = ("timestamp", "level", "logger", "event", "exception")
_TRYING_AGAIN = ("celery.beat", "celery.worker.consumer.consumer")
_NOISE = ("task_id", "parent_task_id")


def request_id() -> str:
    """The id of the request that this thread works for, in the web or in a task; else empty."""
    return str(get_contextvars().get(REQUEST_ID, ""))


def formatter(kind: str) -> logging.Formatter:
    """The formatter of all log records, `line` or `json`, for the standard library's logging.

    It also sends what libraries log with structlog the same way.
    """
    as_json = kind == "json"
    time = {"fmt": "iso", "utc": True} if as_json else {"fmt": "%Y-%m-%d %H:%M:%S", "utc": False}
    shared: list[Processor] = [
        merge_contextvars,
        add_logger_name,
        add_log_level,
        structlog.processors.TimeStamper(**time),  # type: ignore[arg-type]
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            ProcessorFormatter.remove_processors_meta,
            cut_queries,
            cut_outages,
            describe_exception,
            in_order,
            structlog.processors.JSONRenderer() if as_json else render_line,
        ],
    )


@contextmanager
def only_warnings() -> Iterator[None]:
    """Leave out what is less than a warning, for a command that draws on the terminal."""
    handlers = [(handler, handler.level) for handler in logging.getLogger().handlers]
    for handler, level in handlers:
        handler.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        for handler, level in handlers:
            handler.setLevel(level)


def cut_queries(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Gunicorn writes whole addresses, and a query may be somebody's name."""
    if str(event.get("logger", "")).startswith("gunicorn"):
        event["event"] = str(event["event"]).partition("?")[0]
    return event


def cut_outages(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Celery shows the way to each failed attempt at a broker; the first line says enough."""
    if event.get("logger") in _TRYING_AGAIN:
        event.pop("exc_info", None)
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put an exception's traceback in words, without any values of rows or variables."""
    error = _exception(event.pop("exc_info", None))
    if error is None:
        return event
    event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    for each in _chain(error):
        if isinstance(each, Error) and str(each):
            _replace(event, str(each), without_values(each))
    return event


def without_values(error: Exception) -> str:
    """What a database said, without the row's values that it quoted in its further lines."""
    first = str(error).strip().partition("\n")[0]
    return _QUOTED.sub('"..."', first) if isinstance(error, DataError) else first


def in_order(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """First when, how bad, who and what; then the rest."""
    first = {key: event[key] for key in _PLACED[:-1] if key in event}
    return {**first, **event}


def render_line(_logger: Any, _method: str, event: EventDict) -> str:
    """A line for people: time, level, logger, message, and then name=value."""
    others = {key: event[key] for key in event if key not in (*_PLACED, *_NOISE)}
    head = "{timestamp} {level:<7} {logger}: {event}".format_map(
        {**event, "level": str(event["level"]).upper()}
    )
    line = " ".join([head, *(f"{name}={value}" for name, value in others.items())])
    # Whoever makes part of a message must not be able to make a line of their own.
    line = _CONTROL.sub(" ", line)
    return "\n".join([line, event["exception"]] if "exception" in event else [line])


def _exception(given: Any) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that it came from."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__]
            yield each


def _replace(event: EventDict, old: str, new: str) -> None:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = value.replace(old, new)
