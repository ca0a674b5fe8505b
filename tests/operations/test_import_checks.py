"""What doctor says of imports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from imports.models import ImportJob, ItemState, JobState
from operations.checks import imports
from operations.checks.imports import running_imports
from operations.parts import State, ok
from people.models import Gallery


@pytest.mark.django_db
def test_imports_that_run_and_those_that_should(gallery: Gallery) -> None:
    assert running_imports() == ok("imports", "none runs")
    job = ImportJob.objects.create(
        gallery=gallery, state=JobState.RUNNING, listed=True, source={}, layout={}
    )
    item = job.items.create(number=0, name="x")
    assert running_imports() == ok("imports", "1 running")
    ImportJob.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    idle = running_imports()
    assert (idle.state, idle.detail) == (State.WARNING, "1 running, and nobody works on them")
    item.state, item.lease = ItemState.WORKING, uuid4()
    item.leased_until = timezone.now() + timedelta(minutes=5)
    item.save()
    assert running_imports() == ok("imports", "1 running")
    ImportJob.objects.update(state=JobState.PAUSED)
    assert running_imports() == ok("imports", "none runs")


def test_without_a_database(monkeypatch: Any) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(imports.ImportJob.objects, "filter", away)
    assert running_imports().state is State.FAILED
