"""One line a request: its id, no query, no name. The id goes with the answer and the tasks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.app.trace import build_tracer
from django.conf import settings as django_settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client as DjangoClient
from django.test import RequestFactory
from django.urls import resolve
from rest_framework.test import APIClient
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from accounts.models import User
from common import logs, queue
from common.tracing import _carry_ids_only
from operations.middleware import RequestLog
from people.models import Gallery
from workers import maintenance
from workers.app import app


@pytest.fixture(autouse=True)
def no_context() -> Iterator[None]:
    clear_contextvars()
    yield
    clear_contextvars()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """What the request log wrote, each line as a dictionary."""
    caplog.set_level(logging.INFO, "operations.middleware")
    return lambda: [
        record.msg
        for record in caplog.records
        if record.name == "operations.middleware" and isinstance(record.msg, dict)
    ]


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    assert 0 <= line["ms"] < 10_000
    return {key: line[key] for key in line if key not in ("ms", "timestamp", "level", "logger")}


@pytest.mark.django_db
def test_a_line_has_the_path_without_its_query(
    operator: APIClient, gallery: Gallery, lines: Any
) -> None:
    answer = operator.get("/api/v1/people?search=Quagmire", headers={"X-Request-ID": "gate-3.17"})

    assert answer.headers["X-Request-ID"] == "gate-3.17"
    (line,) = map(without_time, lines())
    prefix = line.pop("actor")
    assert re.fullmatch(r"api_key:\w{8}", prefix)
    assert line == {
        "event": "request",
        "method": "GET",
        "path": "/api/v1/people",
        "status": 200,
        "request_id": "gate-3.17",
    }


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ann@example.org", "a\x1bb", "ü"])
def test_an_id_that_looks_like_none_is_replaced(given: str) -> None:
    request = RequestFactory().get("/", headers={"X-Request-ID": given})
    request.resolver_match = None
    answer = RequestLog(lambda _: HttpResponse())(request)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize("given", ["a", "x" * 64, "0f8fad5b-d9cb-469f-a165-70867728950e", "A_1."])
def test_an_id_that_looks_like_one_is_kept(given: str) -> None:
    seen = []

    def answer(_: HttpRequest) -> HttpResponse:
        seen.append(logs.request_id())
        return HttpResponse()

    request = RequestFactory().get("/", headers={"X-Request-ID": given})
    request.resolver_match = None
    assert RequestLog(answer)(request).headers["X-Request-ID"] == given
    assert seen == [given]
    assert get_contextvars() == {}


@pytest.mark.django_db
def test_an_unknown_address_is_not_written_down(client: DjangoClient, lines: Any) -> None:
    client.get("/api/v1/people/Zebulon")
    (line,) = lines()
    assert (line["path"], line["status"], line["actor"]) == ("(unknown)", 404, "nobody")


@pytest.mark.django_db
def test_a_path_can_make_no_line_of_its_own(client: DjangoClient, lines: Any) -> None:
    request = RequestFactory().get("/admin/%0AINFO%20forged/")
    request.resolver_match = resolve("/admin/people/person/")
    RequestLog(lambda _: HttpResponse())(request)
    (line,) = lines()
    assert line["path"] == "/admin/%0AINFO%20forged/"


@pytest.mark.django_db
def test_a_user_is_an_id(admin_api: APIClient, site_admin: User, lines: Any) -> None:
    admin_api.get("/api/v1/galleries")
    (line,) = lines()
    assert line["actor"] == f"user:{site_admin.public_id}"


@pytest.mark.django_db
def test_nobody_is_looked_up_for_the_log(
    client: DjangoClient, site_admin: User, django_assert_num_queries: Any
) -> None:
    client.force_login(site_admin)
    with django_assert_num_queries(0):
        answer = client.get("/api/nothing")
    assert answer.status_code == 404
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_static_files_and_probes_are_not_logged(client: DjangoClient, lines: Any) -> None:
    assert b"".join(client.get("/static/admin/css/base.css").streaming_content)  # type: ignore
    client.get("/healthz")
    assert lines() == []


@pytest.mark.django_db
def test_faults_of_ours_name_the_request(
    operator: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("connection failed: refused\n\tIs the server running?")

    monkeypatch.setattr("people.api.GalleryViewSet.get_queryset", away)
    answer = operator.get("/api/v1/galleries", headers={"X-Request-ID": "r-1"})
    assert (answer.status_code, answer.json()["request_id"]) == (503, "r-1")
    assert "the database did not answer: connection failed: refused" in caplog.messages

    answer = operator.get("/api/nothing", headers={"X-Request-ID": "r-1"})
    assert (answer.status_code, "request_id" in answer.json()) == (404, False)


def test_a_bug_names_the_request(
    operator: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*_: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("people.api.GalleryViewSet.get_queryset", wrong)
    operator.raise_request_exception = False
    answer = operator.get("/api/v1/galleries?q=Quagmire", headers={"X-Request-ID": "r-2"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["request_id"] == "r-2"
    assert "Internal Server Error: /api/v1/galleries" in caplog.messages
    assert "Quagmire" not in caplog.text


# --- On the way to the tasks -----------------------------------------------------------------


def sent() -> list[dict[str, Any]]:
    """The headers of the messages in the broker, which is emptied."""
    found = []
    for file in sorted((Path(django_settings.BROKER_DIR) / "messages").glob("*.msg")):
        found.append(json.loads(file.read_text())["headers"])
        file.unlink()
    return found


def test_a_message_carries_the_id_and_nothing_else() -> None:
    sent()
    bind_contextvars(request_id="r-3", actor="user:1", name="Zebulon")
    queue.enqueue(queue.PROCESS_PHOTOS, [])
    (headers,) = sent()
    assert headers["__django_structlog__"] == {"request_id": "r-3"}


def run_as_received(task_id: str, context: dict[str, str], *, may_fail: bool = False) -> None:
    """Run the sweep as a worker does that got it in a message with this context."""
    task = app.tasks["maintenance.sweep"]
    request = {"id": task_id, "__django_structlog__": context, "is_eager": True}
    build_tracer(task.name, task, eager=True, propagate=not may_fail, app=app)(
        task_id, (), {}, request
    )


def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (maintenance.batches, maintenance.jobs):
        monkeypatch.setattr(room, "release_expired", lambda: False)
    monkeypatch.setattr(maintenance, "is_due", lambda: False)
    monkeypatch.setattr(maintenance, "bring_recorded", lambda _actor: [])


def test_a_task_hands_the_id_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sent()
    seen = []

    def work() -> None:
        seen.append(dict(get_contextvars()))
        queue.enqueue(queue.APPLY_OUTBOX, "x")

    monkeypatch.setattr(maintenance, "note_sweep", work)
    for name in ("release_expired", "follow_generations"):
        monkeypatch.setattr(maintenance, name, lambda: 0)
    nothing_waits(monkeypatch)
    monkeypatch.setattr(maintenance, "generations_with_work", list)
    run_as_received("t-1", {"request_id": "r-4"})

    assert seen == [{"task": "maintenance.sweep", "task_id": "t-1", "request_id": "r-4"}]
    (headers,) = sent()
    assert headers["__django_structlog__"] == {"request_id": "r-4", "parent_task_id": "t-1"}
    assert get_contextvars() == {}


@pytest.mark.parametrize(("context", "count"), [({}, 0), ({"request_id": "r-5"}, 1)])
def test_a_tick_is_silent_and_a_request_s_task_is_not(
    context: dict[str, str],
    count: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "common.tracing")
    for name in ("note_sweep", "release_expired", "follow_generations"):
        monkeypatch.setattr(maintenance, name, lambda: 0)
    nothing_waits(monkeypatch)
    monkeypatch.setattr(maintenance, "generations_with_work", list)
    run_as_received("t-1", context)
    assert [record.name for record in caplog.records] == ["common.tracing"] * count


def test_the_context_of_a_message_is_emptied_in_place() -> None:
    context = {"request_id": "r", "parent_task_id": "t", "name": "Zebulon"}
    _carry_ids_only(context)
    assert context == {"request_id": "r", "parent_task_id": "t"}


@pytest.mark.parametrize(
    ("error", "said", "has_traceback"),
    [
        (OperationalError("connection failed: refused\n\tIs it running?"), "WARNING", False),
        (ValueError("a bug"), "ERROR", True),
    ],
)
def test_a_task_that_fails(
    error: Exception,
    said: str,
    has_traceback: bool,  # noqa: FBT001 - a column of the table above
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(maintenance, "note_sweep", fail)
    run_as_received("t-1", {"request_id": "r-6"}, may_fail=True)
    (record,) = [each for each in caplog.records if each.name == "common.tracing"]
    line = logs.formatter("line").format(record)
    assert f" {said:<7} common.tracing: task failed" in line
    assert "request_id=r-6" in line
    assert ("Traceback" in line) is has_traceback
    assert "Is it running" not in line
