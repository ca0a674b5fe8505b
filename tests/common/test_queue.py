"""The queue is a hint: sent on commit, and never the cause of a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from common.queue import (
    APPLY_OUTBOX,
    PROCESS_PHOTOS,
    enqueue,
    enqueue_on_commit,
    left_to_the_sweeper,
)
from config.celery import app

ROOT = Path(__file__).resolve().parents[2]


def messages() -> list[dict[str, Any]]:
    """What lies in the broker of files, oldest first."""
    folder = Path(settings.BROKER_DIR) / "messages"
    return [json.loads(file.read_text()) for file in sorted(folder.iterdir())]


@pytest.fixture(autouse=True)
def empty_broker() -> None:
    # Reading Celery's settings makes the folders.
    assert app.conf.broker_url == "filesystem://localhost"
    for file in (Path(settings.BROKER_DIR) / "messages").glob("*"):
        file.unlink()


@pytest.mark.parametrize(
    ("task", "argument", "queue"),
    [(PROCESS_PHOTOS, ["id"], "photos"), (APPLY_OUTBOX, "id", "index")],
)
def test_a_task_goes_to_its_queue(task: str, argument: Any, queue: str) -> None:
    enqueue(task, argument)
    (message,) = messages()
    assert message["headers"]["task"] == task
    assert message["properties"]["delivery_info"]["routing_key"] == queue
    assert message["content-type"] == "application/json"


@pytest.mark.django_db(transaction=True)
def test_a_task_is_sent_when_the_transaction_is_committed() -> None:
    with transaction.atomic():
        enqueue_on_commit(PROCESS_PHOTOS, [])
        assert messages() == []
    assert len(messages()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_task_is_not_sent_when_it_is_rolled_back() -> None:
    with transaction.atomic():
        enqueue_on_commit(PROCESS_PHOTOS, [])
        transaction.set_rollback(True)
    assert messages() == []


@pytest.mark.django_db(transaction=True)
def test_bulk_work_leaves_what_follows_to_the_sweeper() -> None:
    with left_to_the_sweeper(), transaction.atomic():
        enqueue_on_commit(PROCESS_PHOTOS, [])
    assert messages() == []
    enqueue(PROCESS_PHOTOS, [])
    assert len(messages()) == 1


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_a_broker_that_is_away_is_logged_at_once_and_no_more(broker: str, tmp_path: Path) -> None:
    source = (
        "import sys, time; sys.path.insert(1, 'platform'); import django; django.setup(); "
        "from common.queue import PROCESS_PHOTOS, enqueue; began = time.monotonic(); "
        "enqueue(PROCESS_PHOTOS, []); print(time.monotonic() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LIKENESS_VAR_DIR": str(tmp_path),
            "CELERY_BROKER_URL": broker,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "the broker took no message, the sweeper will repeat it" in done.stderr
    assert float(done.stdout) < 2


def test_the_platform_s_application_is_the_current_one() -> None:
    from celery import current_app

    assert current_app.main == app.main == "likeness"


def test_an_address_that_cannot_be_read_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("Port could not be cast to integer value as 'hunter2'")

    monkeypatch.setattr(app, "send_task", refuse)
    enqueue(PROCESS_PHOTOS, [])
    assert caplog.messages == ["the broker took no message, the sweeper will repeat it: ValueError"]
