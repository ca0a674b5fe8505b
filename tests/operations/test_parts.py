"""Looking at all parts at once, what they add up to, and what each check says."""

from __future__ import annotations

import errno
import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client as DjangoClient
from django.utils import timezone

from operations import api
from operations.checks import broker, database, installation, storage, workers
from operations.management.commands import doctor
from operations.models import CLOCK, WorkerHeartbeat
from operations.parts import Check, Part, State, duration, examine, failed, ok, warning
from operations.readiness import Level, Watch, level_of
from operations.services import Sign, note_sweep, sign
from people.catalogue import installed_model, note_model
from people.models import Person
from photos.models import Photo
from tests.embedder.pictures import saved, scene
from tests.embedder.shelf import Shelf, network
from tests.factories import GalleryFactory
from tests.fixtures import store

GIB = 1024**3
QUEUES = "imports,index,maintenance,photos"


# --- All at once --------------------------------------------------------------------------------


def test_all_are_looked_at_at_once_and_in_order() -> None:
    together = threading.Barrier(3, timeout=5)

    def look(name: str) -> Callable[[], Part]:
        def answer() -> Part:
            together.wait()
            return ok(name, "well")

        return answer

    found = examine([Check(name, look(name)) for name in ("a", "b", "c")], 5)
    assert [part.name for part in found] == ["a", "b", "c"]


def test_one_that_hangs_does_not_keep_the_others_and_is_not_started_twice() -> None:
    over, begun = threading.Event(), []

    def hang() -> Part:
        begun.append(1)
        over.wait(5)
        return ok("hangs", "well")

    checks = [Check("hangs", hang), Check("well", lambda: ok("well", "well"))]
    try:
        for _ in range(3):
            found = examine(checks, 0.1)
            assert [part.state for part in found] == [State.FAILED, State.OK]
            assert found[0].sentence == (
                "gives no answer in time. Is its server overloaded, or out of reach?"
            )
        assert len(begun) == 1
    finally:
        over.set()
    time.sleep(0.1)
    assert examine(checks, 5)[0].state is State.OK


def test_one_that_breaks_says_so_without_its_words() -> None:
    def fall() -> Part:
        raise ValueError("postgres://user:hunter2@host/")

    (part,) = examine([Check("broken", fall)], 5)
    assert part == failed("broken", "could not be looked at: ValueError", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (3e5, "3 days")],
)
def test_times_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_sentence() -> None:
    assert ok("a", "well").sentence == "well"
    assert warning("a", "low", "Mend it.", where="/x").sentence == "low (/x). Mend it."


# --- Ready? -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "level"),
    [
        ([], Level.READY),
        (["broker"], Level.DEGRADED),
        (["milvus", "index", "workers", "clock", "disk space"], Level.DEGRADED),
        (["database"], Level.UNAVAILABLE),
        (["migrations"], Level.UNAVAILABLE),
        (["media folder", "broker"], Level.UNAVAILABLE),
    ],
)
def test_what_the_parts_add_up_to(broken: list[str], level: Level) -> None:
    found = [failed(name, "x", "x") for name in broken]
    assert level_of([*found, ok("b", "x"), warning("c", "x", "x")]) is level


def test_the_answer_is_remembered_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    watch = Watch([Check("a", lambda: asked.append(1) or ok("a", "x"))])  # type: ignore[func-returns-value]
    assert [watch.readiness().level for _ in range(5)] == [Level.READY] * 5
    assert len(asked) == 1
    watch._until = 0.0
    watch.readiness()
    assert len(asked) == 2


def answer_of(found: list[Part], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(api, "watch", Watch([Check(each.name, lambda e=each: e) for each in found]))  # type: ignore[misc]
    return DjangoClient().get("/readyz", headers={"Host": "10.1.2.3:8000"})


def test_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answer_of([ok("database", "x", where="secret.example.org")], monkeypatch)
    assert (answer.status_code, answer.json()) == (
        200, {"status": "ready", "parts": {"database": {"state": "ok"}}},
    )  # fmt: skip
    assert answer.headers["Cache-Control"] == "no-store"


def test_degraded_is_still_worth_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [failed("broker", "does not answer", "Start it.", where="redis://secret")]
    answer = answer_of(found, monkeypatch)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "degraded",
            "parts": {"broker": {"state": "failed", "reason": "does not answer"}},
        },
    )
    assert "Retry-After" not in answer.headers


def test_unavailable_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answer_of([failed("database", "does not answer", "x")], monkeypatch)
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_probes_need_neither_host_nor_tls(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = DjangoClient().get("/healthz", headers={"Host": "10.1.2.3:8000"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


# --- Each check ---------------------------------------------------------------------------------


REMEDY = "Free some space there, or move the data to a larger disk (LIKENESS_VAR_DIR, MEDIA_ROOT)."


@pytest.mark.parametrize(
    ("free", "total", "state"),
    [
        (50.0, 100, State.OK),
        (4.9, 20, State.WARNING),
        (8.0, 200, State.WARNING),
        (0.4, 100, State.FAILED),
    ],
)
def test_disk_space(
    free: float, total: int, state: State, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    usage = SimpleNamespace(free=free * GIB, total=total * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    remedy = "" if state is State.OK else REMEDY
    detail = f"{free} GB of {total} GB free"
    assert storage.disk() == Part("disk space", state, detail, remedy, str(settings.VAR_DIR))


def test_a_media_folder_that_is_none(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "file"
    settings.MEDIA_ROOT.touch()
    found = storage.media()
    assert (found.state, found.detail) == (State.FAILED, "can't be written to")
    assert found.remedy.endswith(" write permission, or correct MEDIA_ROOT.")
    assert found.where == f"{tmp_path}/file: File exists"


def test_a_full_disk_under_the_media_folder(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert storage.media() == failed(
        "media folder",
        "is on a full disk",
        "Free some space there, or name a larger disk in MEDIA_ROOT.",
        where=str(tmp_path),
    )


def test_debug_is_warned_of(settings: Any) -> None:
    settings.DEBUG = True
    assert installation.settings_used().sentence == (
        "DEBUG shows everybody the inside of the server. Set DEBUG=no where others can reach it."
    )


def test_a_key_that_others_can_read(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    settings.VAR_DIR = tmp_path
    kept = tmp_path / "secret_key"
    kept.touch(mode=0o644)
    kept.chmod(0o644)
    found = installation.settings_used()
    assert (found.state, found.remedy) == (State.WARNING, f"chmod 600 {kept}")
    kept.chmod(0o600)
    assert installation.settings_used().state is State.OK
    monkeypatch.setenv("SECRET_KEY", "x")
    assert installation.settings_used().detail == "the secret key is that of SECRET_KEY"


@pytest.mark.django_db
def test_the_models_that_galleries_use(tmp_path: Path, settings: Any) -> None:
    settings.MODELS_DIR = tmp_path
    assert installation.models() == ok("models", "4 files with the right SHA-256")
    shelf = Shelf(tmp_path)
    shelf.made("net")
    GalleryFactory(model="mtcnn-net")
    assert installation.models() == ok("models", "5 files with the right SHA-256")

    (tmp_path / "net.onnx").write_bytes(b"damaged")
    found = installation.models()
    assert (found.state, found.detail) == (State.FAILED, "one that is in use is not installed")
    assert found.remedy.startswith("net: net.onnx has SHA-256 ")
    assert found.remedy.endswith("Fetch it: manage.py models pull net --file PATH")
    (tmp_path / "net.toml").unlink()
    assert installation.models().remedy.startswith("There is no model 'mtcnn-net'. Installed are:")


@pytest.mark.django_db
def test_a_model_that_is_another_than_before(tmp_path: Path, settings: Any) -> None:
    settings.MODELS_DIR = tmp_path
    Shelf(tmp_path).made("net")
    GalleryFactory(model="mtcnn-net")
    note_model(installed_model("mtcnn-net"))
    assert installation.models().state is State.OK
    Shelf(tmp_path).made("net", data=network(bias=1))
    found = installation.models()
    assert (found.state, found.detail) == (State.FAILED, "one is another than before")
    assert found.remedy.startswith("The model 'mtcnn-net' is not the one that had this name here")


@pytest.mark.django_db
def test_the_database_of_the_tests_is_well() -> None:
    assert database.database().state is State.OK
    assert database.migrations() == ok("migrations", "all applied")


@pytest.mark.django_db
def test_a_database_of_a_newer_version(monkeypatch: pytest.MonkeyPatch) -> None:

    MigrationRecorder(connection).record_applied("photos", "9999_from_the_future")
    found = database.migrations()
    assert (found.state, found.detail) == (
        State.WARNING, "the database has 1 migrations that this version doesn't know",
    )  # fmt: skip


# --- Workers --------------------------------------------------------------------------------------


def age(name: str, seconds: float) -> None:
    seen = timezone.now() - timedelta(seconds=seconds)
    WorkerHeartbeat.objects.filter(name=name).update(seen_at=seen)


@pytest.mark.django_db
def test_every_queue_is_served() -> None:
    sign(Sign("all@here", QUEUES))
    assert workers.workers() == ok("workers", "all@here")


@pytest.mark.django_db
def test_a_queue_that_nobody_serves() -> None:
    sign(Sign("photos@here", "photos"))
    sign(Sign("index@here", "index"))
    sign(Sign("maintenance@here", "maintenance"))
    sign(Sign("imports@here", "imports"))
    age("index@here", 600)
    found = workers.answering_workers()
    assert found.detail == ("nobody takes tasks from index; last seen: index@here, 10 min ago")
    assert found.state is State.FAILED


@pytest.mark.django_db
def test_a_worker_that_lives_and_does_not_hear_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ASKING_SECONDS", 0.2)
    sign(Sign("all@here", QUEUES))
    found = workers.answering_workers()
    assert (found.state, found.detail) == (
        State.FAILED, "all@here lives but does not hear the broker",
    )  # fmt: skip


@pytest.mark.django_db
def test_workers_that_cannot_be_asked(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    sign(Sign("all@here", QUEUES))
    assert workers.answering_workers() == warning(
        "workers", "all@here live but can't be asked", "See the broker."
    )


@pytest.mark.django_db
def test_a_worker_that_is_busy_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ASKING_SECONDS", 0.2)
    since = timezone.now() - timedelta(seconds=42)
    sign(Sign("all@here", QUEUES, "vectors.apply_outbox", since))
    assert workers.answering_workers() == ok(
        "workers", "all@here; all@here is busy with vectors.apply_outbox for 42 s"
    )


@pytest.mark.django_db
def test_the_clock() -> None:
    assert workers.clock().detail == "has never ticked"
    note_sweep()
    assert workers.clock() == ok("clock", "the last tick was 0 s ago")
    age(CLOCK, 300)
    assert workers.clock().detail == "the last tick was 5 min ago"
    assert workers.clock().state is State.FAILED


@pytest.mark.django_db
@pytest.mark.usefixtures("media")
def test_photos_that_wait(person: Person) -> None:
    assert workers.waiting_photos() == ok("photos", "none waits")
    store(person, saved(scene(), "PNG"))
    assert workers.waiting_photos() == ok("photos", "1 wait, the oldest for 0 s")
    Photo.objects.update(updated_at=timezone.now() - timedelta(minutes=25))
    found = workers.waiting_photos()
    assert (found.state, found.detail) == (State.WARNING, "1 wait, the oldest for 25 min")


@pytest.mark.parametrize(
    "check",
    [workers.workers, workers.answering_workers, workers.clock, workers.waiting_photos],
)
@pytest.mark.django_db
def test_without_its_rows_a_check_points_at_the_database(
    check: Callable[[], Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", away)
    monkeypatch.setattr("django.db.models.query.QuerySet.aggregate", away)
    monkeypatch.setattr("django.db.models.query.QuerySet.first", away)
    found = check()
    assert (found.state, found.remedy) == (State.FAILED, "See the database.")


def test_the_queues_are_those_that_tasks_go_to() -> None:
    assert broker.queue_names() == ["imports", "index", "maintenance", "photos"]


# --- The command --------------------------------------------------------------------------------


def run_doctor(
    found: list[Part], monkeypatch: pytest.MonkeyPatch, capsys: Any, *options: str
) -> Any:

    checks = [Check(each.name, lambda e=each: e) for each in found]  # type: ignore[misc]
    monkeypatch.setattr(doctor, "all_checks", lambda: checks)
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", *options)
    return ended.value.code, capsys.readouterr().out


def test_warnings_alone_are_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = [ok("settings", "well"), warning("disk space", "3.0 GB free", "Free some.", where="/x")]
    assert run_doctor(found, monkeypatch, capsys) == (
        0,
        """\
ok      settings     well
warning disk space   3.0 GB free (/x). Free some.

0 failed, 1 warnings.
""",
    )


def test_all_well(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    code, said = run_doctor([ok("settings", "well")], monkeypatch, capsys)
    assert (code, said.splitlines()[-1]) == (0, "Everything is well.")


def test_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = [failed("broker", "does not answer", "Start it.", where="redis://h:1/0")]
    code, said = run_doctor(found, monkeypatch, capsys, "--json")
    assert code == 1
    assert json.loads(said) == [
        {
            "name": "broker",
            "state": "failed",
            "detail": "does not answer",
            "remedy": "Start it.",
            "where": "redis://h:1/0",
        }
    ]


def test_long_lines_stay_whole(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = [ok("a", "[bold]" + "word " * 100)]
    _, said = run_doctor(found, monkeypatch, capsys)
    assert said.splitlines()[0] == f"ok      a            [bold]{'word ' * 100}".rstrip() + " "
