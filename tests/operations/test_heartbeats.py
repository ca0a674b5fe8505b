"""Signs of life: written by workers, read by everybody, in nobody's way."""

from __future__ import annotations

import logging
import os
import time
from datetime import timedelta
from typing import Any

import psutil
import pytest
from django.db import OperationalError
from django.utils import timezone

from operations.models import CLOCK, WorkerHeartbeat
from operations.services import Sign, forget_lost_workers, sign, sign_off
from workers import heartbeat, maintenance
from workers.app import app
from workers.heartbeat import Heartbeat


@pytest.mark.django_db
def test_a_sign_says_who_lives_and_how_large_it_is() -> None:
    began = timezone.now()
    sign(Sign("photos@here", "photos", "photos.process", began))

    (row,) = WorkerHeartbeat.objects.all()
    assert (row.name, row.queues, row.queue_names) == ("photos@here", "photos", ["photos"])
    assert (row.pid, row.task, row.task_since) == (os.getpid(), "photos.process", began)
    assert 50e6 < row.rss_bytes <= row.peak_bytes < psutil.virtual_memory().total
    assert row.is_fresh
    assert 0 <= row.age < 5


@pytest.mark.django_db
def test_another_sign_replaces_the_first(django_assert_num_queries: Any) -> None:
    worker = Sign("photos@here", "photos")
    sign(worker)
    first = WorkerHeartbeat.objects.get()

    with django_assert_num_queries(1):
        sign(worker)

    second = WorkerHeartbeat.objects.get()
    assert (second.pk, second.started_at) == (first.pk, first.started_at)
    assert second.seen_at > first.seen_at


@pytest.mark.django_db
def test_it_is_stale_after_half_a_minute_and_forgotten_after_a_day() -> None:
    for name, age in (("a", 30), ("b", 40), ("c", 25 * 3600)):
        sign(Sign(name))
        seen = timezone.now() - timedelta(seconds=age)
        WorkerHeartbeat.objects.filter(name=name).update(seen_at=seen)

    assert [row.is_fresh for row in WorkerHeartbeat.objects.all()] == [True, False, False]
    assert forget_lost_workers() == 1
    assert [row.name for row in WorkerHeartbeat.objects.all()] == ["a", "b"]


@pytest.mark.django_db
def test_a_sweep_signs_for_the_clock() -> None:
    maintenance.sweep.apply(throw=True)

    assert WorkerHeartbeat.objects.get().name == CLOCK


@pytest.mark.django_db
def test_a_worker_that_ends_takes_its_row_with_it() -> None:
    for name in ("photos@here", "index@here"):
        sign(Sign(name))
    sign_off("photos@here")
    assert [row.name for row in WorkerHeartbeat.objects.all()] == ["index@here"]


@pytest.mark.django_db(transaction=True)
def test_the_thread_signs_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    signs: list[str] = []
    monkeypatch.setattr(heartbeat, "sign", lambda worker: signs.append(worker.task))
    beating = Heartbeat(Sign("photos@here"), every=0.01)
    monkeypatch.setattr(heartbeat, "_heartbeats", [beating])
    task = app.tasks["maintenance.sweep"]

    beating.start()
    heartbeat.note_task(task)
    time.sleep(0.1)
    heartbeat.forget_task()
    time.sleep(0.1)
    heartbeat.end()

    assert {"maintenance.sweep", ""} == set(signs[1:])
    assert signs[-1] == ""
    assert not beating._thread.is_alive()
    assert heartbeat._heartbeats == []


def test_a_database_that_is_away_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_worker: Sign) -> None:
        raise OperationalError("the server is away")

    monkeypatch.setattr(heartbeat, "sign", refuse)
    beating = Heartbeat(Sign("photos@here"))
    with caplog.at_level(logging.WARNING):
        beating._sign()
        beating._sign()
        monkeypatch.setattr(heartbeat, "sign", lambda _worker: None)
        beating._sign()
        monkeypatch.setattr(heartbeat, "sign", refuse)
        beating._sign()

    said = "no sign of life until the database answers: the server is away"
    assert [record.getMessage() for record in caplog.records] == [said] * 2


@pytest.mark.django_db(transaction=True)
def test_a_row_that_cannot_be_removed_does_not_keep_the_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_name: str) -> None:
        raise OperationalError("the server is away")

    monkeypatch.setattr(heartbeat, "sign_off", refuse)
    monkeypatch.setattr(heartbeat, "sign", lambda _worker: None)
    beating = Heartbeat(Sign("photos@here"))
    beating.start()
    beating.stop()
    assert "this worker's row stays for a day: the server is away" in caplog.text
