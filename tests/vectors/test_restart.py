"""The index after its server was stopped, killed, or came back somewhere else."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from people.models import Gallery
from tests.factories import PersonFactory, template, unit
from tests.fixtures import settle
from tests.sets import about_the_embedded
from vectors import lite, milvus
from vectors.errors import IndexUnavailable
from vectors.models import IndexGeneration
from vectors.reconcile import reconcile_all
from vectors.selectors import search

pytestmark = [pytest.mark.django_db, about_the_embedded]


def server() -> psutil.Process:
    here = str(lite.data_dir())
    (process,) = [each for each in psutil.Process().children() if here in str(each.cmdline())]
    return process


def test_what_was_indexed_is_found_after_a_kill_and_a_restart(
    gallery: Gallery, settings: Any, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    with lite.running():
        stored = [template(PersonFactory(gallery=gallery), seed) for seed in range(3)]
        settle(gallery)
        server().send_signal(signal.SIGKILL)
        while lite.endpoint() is not None:
            time.sleep(0.01)
        with pytest.raises(IndexUnavailable):
            search([gallery], unit(1)[None], 1)

    with lite.running():
        ((hit,),) = search([gallery], unit(1)[None], 1)
        assert hit.template_id == stored[1].pk
        generation = IndexGeneration.objects.get()
        assert all(report.agrees for report in reconcile_all())
        template(stored[1].person, 50)
        settle()
        (vector,) = milvus.get(generation.collection, [stored[1].pk]).vectors
        assert np.array_equal(vector, unit(50))


def test_a_server_that_hangs_is_an_error_in_time(
    gallery: Gallery, settings: Any, tmp_path: Path
) -> None:
    settings.VAR_DIR, settings.MILVUS_TIMEOUT_SECONDS = tmp_path, 1
    with lite.running():
        settle(gallery)
        server().suspend()
        try:
            with pytest.raises(IndexUnavailable):
                search([gallery], unit(1)[None], 1)
        finally:
            server().resume()
        assert search([gallery], unit(1)[None], 1) == [[]]
