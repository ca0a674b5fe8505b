"""How lines look, and what an exception may say in them."""

from __future__ import annotations

import json
import logging
from typing import Any

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError

from common.logs import formatter, render_line, without_values

DETAIL = (
    'duplicate key value violates unique constraint "one_external_id_per_gallery"\n'
    "DETAIL:  Key (gallery_id, external_id)=(1, Zebulon) already exists."
)


def record(message: str, *arguments: Any, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("some.logger", logging.WARNING, __file__, 1, message, arguments, info)


def raised(error: Exception, cause: Exception | None = None) -> BaseException:
    """The exception as a handler finds it."""
    secret = "Zebulon, a local variable"  # noqa: F841 - must not be shown
    try:
        raise error from cause
    except (ValueError, IntegrityError) as caught:
        return caught


def test_a_line_for_people() -> None:
    line = formatter("line").format(record("%d photos", 3))
    stamp, rest = line[:19], line[19:]
    assert stamp[4] == stamp[7] == "-"
    assert rest == " WARNING some.logger: 3 photos"


def test_a_line_for_programs() -> None:
    line = json.loads(formatter("json").format(record("%d photos", 3)))
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "3 photos", "level": "warning", "logger": "some.logger"}


def test_ids_stand_at_the_end_and_task_ids_only_for_programs() -> None:
    event = {
        "timestamp": "now",
        "level": "info",
        "logger": "l",
        "event": "request",
        "task_id": "t",
        "parent_task_id": "p",
        "request_id": "r",
    }
    assert render_line(None, "", event) == "now INFO    l: request request_id=r"


@pytest.mark.parametrize("forged", ["a\n2026-01-01 INFO x: y", "a\r\nb", "a\x1b[31mb", "a\u2028b"])
def test_nobody_makes_lines_of_their_own(forged: str) -> None:
    line = formatter("line").format(record("%s", forged))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert len(formatter("json").format(record("%s", forged)).splitlines()) == 1


@pytest.mark.parametrize("kind", ["line", "json"])
def test_a_database_s_errors_lose_the_row_s_values(kind: str) -> None:
    cause = psycopg.errors.UniqueViolation(DETAIL)
    error = raised(IntegrityError(DETAIL), cause)

    text = formatter(kind).format(record("failed: %s", error, error=error))

    assert "Zebulon" not in text
    assert text.count("one_external_id_per_gallery") == 3  # the message, the cause, the error
    assert "raise error from cause" in text


def test_other_exceptions_are_shown_whole_but_without_variables() -> None:
    text = formatter("line").format(record("failed", error=raised(ValueError("an id: 7"))))
    assert text.endswith("ValueError: an id: 7")
    assert "a local variable" not in text


def test_an_exception_within_one() -> None:
    try:
        try:
            raise IntegrityError(DETAIL)
        except IntegrityError as error:
            raise RuntimeError("while that") from error
    except RuntimeError as error:
        text = formatter("json").format(record("failed", error=error))
    assert "Zebulon" not in text
    assert "RuntimeError: while that" in json.loads(text)["exception"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError('invalid input syntax for type uuid: "Zebulon"'), 'uuid: "..."'),
        (OperationalError("connection failed\n\tIs it running?"), "connection failed"),
        (IntegrityError(DETAIL), '"one_external_id_per_gallery"'),
        (OperationalError(""), ""),
    ],
)
def test_what_is_left_of_a_database_s_words(error: Exception, said: str) -> None:
    assert without_values(error).endswith(said)
    assert "Zebulon" not in without_values(error)
    assert "\n" not in without_values(error)


def test_the_web_server_s_addresses_lose_their_query() -> None:
    made = record("Error handling request %s", "/api/v1/people?q=Zebulon")
    made.name = "gunicorn.error"
    line = formatter("line").format(made)
    assert line.endswith("gunicorn.error: Error handling request /api/v1/people")


@pytest.mark.parametrize("logger", ["celery.beat", "celery.worker.consumer.consumer"])
def test_a_broker_that_is_away_is_a_line_an_attempt(logger: str) -> None:
    made = record("Message Error: %s\n%s", "refused", "a stack", error=raised(ValueError("x")))
    made.name = logger
    line = formatter("line").format(made)
    assert line.endswith(f"WARNING {logger}: Message Error: refused")
