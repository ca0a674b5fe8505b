"""What an operator sees of a running installation: doctor, readiness, figures, logs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests import sets
from tests.conftest import Lfw

from .stack import Api, Stack, eventually, running

TOKEN = "a-token-of-the-tests"
# What must never stand in a log, though the caller says it in every way there is.
PERSON = {"name": "Zebulon Quagmire", "external_id": "EXT-4711-X", "metadata": {"badge": "Bdg0815"}}
FILE = "quagmire-portrait.jpg"
PASSWORD = "hunter2-swordfish"
WORDS = ("ebulon", "uagmire", "EXT-4711", "Bdg0815", "swordfish", TOKEN)


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation that logs all it can, for programs."""
    said = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json", "METRICS_TOKEN": TOKEN}
    stack = Stack(tmp_path_factory.mktemp("talkative"), **sets.environment(), **said)
    with running(stack):
        yield stack


@pytest.fixture(scope="module")
def used(talkative: Stack, lfw: Lfw) -> tuple[Stack, str]:
    """The same, after all kinds of calls, good and bad; and the key they were made with."""
    key = talkative.make_key()
    api = Api(talkative, key)
    with api.http:
        api.accept_lfw()
        use(talkative, api, lfw)
    return talkative, key


def use(stack: Stack, api: Api, lfw: Lfw) -> None:
    photo = lfw.bytes("Bill_Clinton", 1)
    person = api.ok(api.http.post("people", json={"gallery": api.gallery, **PERSON}))["id"]
    twin = api.http.post("people", json={"gallery": api.gallery, **PERSON})
    assert twin.status_code == 409
    sent = api.http.post(
        "photos",
        data={"person": person},
        files={"photo": (FILE, photo)},
        headers={"X-Request-ID": "the-upload"},
    )
    api.await_searchable(api.ok(sent)["id"])
    assert api.best(photo)["person"]["name"] == PERSON["name"]
    assert api.post_photo(person, b"%PDF quagmire").status_code == 415
    api.ok(api.http.get("people", params={"search": "Quagmire"}))
    api.http.get("people/Quagmire")
    api.http.get("people", params={"gallery": "Quagmire"})
    wrong = httpx.get(f"{stack.url}/api/v1/people", headers={"Authorization": "Api-Key swordfish"})
    assert wrong.status_code == 401
    sign_in(stack)
    erased = api.http.delete(f"people/{person}", headers={"X-Request-ID": "the-erasure"})
    api.ok(erased)


def sign_in(stack: Stack) -> None:
    """With a wrong password, and then with the right one to look for somebody."""
    with httpx.Client(base_url=stack.url, follow_redirects=True) as browser:
        for password in (PASSWORD, stack.password):
            browser.get("/admin/login/")
            browser.post(
                "/admin/login/?next=/admin/",
                data={
                    "username": "admin",
                    "password": password,
                    "csrfmiddlewaretoken": browser.cookies["csrftoken"],
                },
            )
        found = browser.get("/admin/people/person/", params={"q": "Quagmire"})
        assert PERSON["name"] in found.text


def lines_of(stack: Stack) -> list[dict[str, Any]]:
    """What its processes logged; the last line may be half written."""
    texts = [line.partition(" | ")[2] for line in stack.log.splitlines()]
    return [json.loads(text) for text in texts if text.startswith("{") and text.endswith("}")]


def test_no_log_line_holds_what_was_said_of_a_person(used: tuple[Stack, str]) -> None:
    stack, key = used
    prefix, _, secret = key.partition(".")
    log = stack.log
    # The first administrator's password is shown once, on purpose, before anything runs.
    running_log = log[log.index("Likeness is running.") :]
    for word in (*WORDS, secret, stack.password):
        assert word not in running_log, [line for line in log.splitlines() if word in line]
    assert prefix in log  # it was looked for in the right place
    levels = {line["level"] for line in lines_of(stack)}
    assert {"debug", "info"} <= levels


@pytest.mark.parametrize(
    ("request_id", "method", "status", "task"),
    [
        ("the-upload", "POST", 202, "photos.process"),
        ("the-erasure", "DELETE", 204, "vectors.apply_outbox"),
    ],
)
def test_a_request_s_id_goes_through_to_its_tasks(
    request_id: str, method: str, status: int, task: str, used: tuple[Stack, str]
) -> None:
    stack, _ = used

    def told() -> list[dict[str, Any]] | None:
        """Its lines, once its task has ended."""
        lines = [line for line in lines_of(stack) if line.get("request_id") == request_id]
        ended = [line for line in lines if line["event"] == "task" and line["task"] == task]
        return lines if ended and all(line["ms"] >= 0 for line in ended) else None

    lines = eventually(told, f"{task} of {request_id}")
    (request,) = [line for line in lines if line["event"] == "request"]
    assert (request["method"], request["status"]) == (method, status)


def test_the_clock_s_ticks_say_nothing(used: tuple[Stack, str]) -> None:
    stack, _ = used
    told = [line for line in lines_of(stack) if line["level"] != "debug"]
    assert [line for line in told if line.get("task", "").startswith("maintenance.")] == []


def test_prometheus_sees_what_happened(used: tuple[Stack, str]) -> None:
    stack, _ = used
    answer = httpx.get(f"{stack.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert 'likeness_lookups_total{code="ok",operation="identify"} 1.0' in answer.text
    assert 'likeness_worker_memory_bytes{worker="photos@' in answer.text
    for part in ("photos", "outbox", "index", "queues", "workers"):
        assert f'likeness_scrape_error{{part="{part}"}} 0.0' in answer.text


def test_the_doctor_finds_everything_well(stack: Stack, api: Api) -> None:
    def well() -> dict[str, Any] | None:
        """Once the clock has ticked for the first time."""
        done = stack.manage("doctor", "--json")
        parts = {part["name"]: part for part in json.loads(done.stdout)}
        return parts if done.returncode == 0 else None

    parts = eventually(well, "the doctor is content", seconds=60)

    # The Milvus that tests can run is an old one.
    warned = {name for name, part in parts.items() if part["state"] != "ok"}
    assert warned <= {"disk space", *(["milvus"] if sets.ON_SERVERS else [])}
    assert parts["workers"]["detail"].startswith("imports@")
    assert list(parts) == [
        "settings", "models", "media folder", "disk space", "erasures", "database", "migrations",
        "broker", "workers", "clock", "photos", "imports", "milvus", "index", "index lag",
        "recall", "rebuilds", "calibration",
    ]  # fmt: skip


def test_ready(stack: Stack) -> None:
    def ready() -> dict[str, Any] | None:
        answer = httpx.get(f"{stack.url}/readyz", headers={"Host": "10.1.2.3:8000"})
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body if body["status"] == "ready" else None

    parts = eventually(ready, "ready", seconds=60)["parts"]
    assert len(parts) == 9
    assert all(set(part) <= {"state", "reason"} for part in parts.values())


@sets.about_the_embedded
def test_workers_that_end_leave_no_rows(tmp_path_factory: pytest.TempPathFactory) -> None:
    stack = Stack(tmp_path_factory.mktemp("short"))

    def names() -> list[str]:
        with sqlite3.connect(stack.var / "likeness.sqlite3") as link:
            rows = link.execute("SELECT name FROM operations_workerheartbeat ORDER BY name")
            return [name.partition("@")[0] for (name,) in rows]

    with running(stack):
        eventually(
            lambda: names() == ["clock", "imports", "index", "maintenance", "photos"],
            "all have signed",
        )
    assert names() == ["clock"]
