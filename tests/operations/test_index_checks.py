"""What is said of Milvus, its collections, and the way into them."""

from __future__ import annotations

import dataclasses
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from common.ports import free_port
from operations.checks import index
from operations.parts import State, ok, warning
from people.models import Gallery, Person
from tests.factories import GalleryFactory, bulk_templates, template
from tests.fixtures import settle
from tests.sets import about_the_embedded
from tests.vectors.test_exact import units
from vectors import indexes, milvus
from vectors.connection import server_label
from vectors.errors import ForeignCollection, LoginRefused
from vectors.generations import ensure_active_index, make_generation
from vectors.models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    Placement,
    VectorOutbox,
)

WAITS = "Is the index worker well, and Milvus? What waits is not found by lookups."


@about_the_embedded
@pytest.mark.usefixtures("index")
def test_the_embedded_one() -> None:
    assert index.milvus_server() == ok("milvus", "Milvus Lite answers", where="embedded")
    assert index.milvus_ping() == ok("milvus", "answers")


@about_the_embedded
def test_the_embedded_one_is_not_running(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path
    assert index.milvus_server().sentence == (
        "the embedded Milvus Lite is not running. Start everything with `make run`, or name a "
        "server in MILVUS_URI."
    )


def test_a_server_that_is_away(settings: Any) -> None:
    port = free_port("127.0.0.1")
    settings.MILVUS_URI = f"http://root:hunter2@127.0.0.1:{port}"
    settings.MILVUS_TIMEOUT_SECONDS = 2
    began = time.monotonic()
    assert index.milvus_server().sentence == (
        f"does not answer (http://127.0.0.1:{port}). Start it, or correct MILVUS_URI."
    )
    assert index.milvus_ping().detail == "does not answer"
    assert time.monotonic() - began < 10


def test_a_server_that_refuses_the_login(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def refuse() -> None:
        raise LoginRefused("Milvus refuses the login.")

    settings.MILVUS_URI = "http://root:hunter2@127.0.0.1:19530"
    monkeypatch.setattr(milvus, "server_version", refuse)
    monkeypatch.setattr(milvus, "ping", refuse)
    assert index.milvus_server().sentence == (
        "refuses the login (http://127.0.0.1:19530). Set MILVUS_TOKEN to USER:PASSWORD as the "
        "server knows them."
    )
    assert index.milvus_ping().detail == "refuses the login"


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("v2.6.10", State.OK),
        ("2.6.11-gpu", State.OK),
        ("v3.0.1", State.OK),
        ("v2.6.9", State.WARNING),
        ("v2.3.5-lite", State.WARNING),
    ],
)
def test_versions_with_known_holes(
    version: str, state: State, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MILVUS_URI = "http://127.0.0.1:19530"
    monkeypatch.setattr(milvus, "server_version", lambda: version)
    monkeypatch.setattr(milvus, "ping", lambda: None)
    found = index.milvus_server()
    assert found.state is state
    if state is State.WARNING:
        assert found.sentence == (
            f"{version} answers, and has known holes (CVE-2025-64513, CVE-2026-26190) "
            "(http://127.0.0.1:19530). Update it to 2.6.10 or later."
        )


@pytest.mark.usefixtures("indexed")
def test_collections(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_active_index(gallery)
    assert index.index_state().detail == "1 of 1 are being built; lookups there answer 503"
    settle(gallery)
    assert index.collections() == index.index_state() == ok("index", "ready")

    def foreign(_collection: str) -> bool:
        raise ForeignCollection("The collection x is not ours: it has no field vector.")

    monkeypatch.setattr(milvus, "has_collection", foreign)
    assert index.collections().sentence == (
        "a collection of our name isn't ours. The collection x is not ours: it has no field vector."
    )
    monkeypatch.setattr(milvus, "has_collection", lambda _collection: False)
    found = index.collections()
    assert (found.state, found.detail) == (State.WARNING, "1 of 1 collections are missing")


@pytest.mark.django_db
def test_a_new_installation_has_none() -> None:
    assert index.index_state() == ok("index", "none yet: the first enrolment makes it")
    IndexGeneration.objects.create(model="m", server="elsewhere", state=GenerationState.BUILDING)
    assert index.index_state().state is State.OK


@pytest.mark.parametrize(
    ("seconds", "state"), [(5, State.OK), (90, State.WARNING), (1200, State.FAILED)]
)
@pytest.mark.usefixtures("indexed")
def test_what_is_not_yet_in_the_index(seconds: int, state: State, person: Person) -> None:
    assert index.index_lag() == ok("index lag", "none")
    template(person)
    VectorOutbox.objects.update(dirty_since=timezone.now() - timedelta(seconds=seconds))
    found = index.index_lag()
    assert found.state is state
    assert found.detail.startswith("1 changes wait, the oldest for ")
    assert found.remedy == ("" if state is State.OK else WAITS)


@pytest.mark.usefixtures("indexed")
def test_an_index_that_is_built_in_the_background_refuses_no_lookup(gallery: Gallery) -> None:
    settle(gallery)
    make_generation(gallery.model, [gallery], takes_over=True)

    assert index.collections() == index.index_state() == ok("index", "ready")


@pytest.mark.usefixtures("indexed")
def test_a_range_of_templates_waits_like_a_change(gallery: Gallery) -> None:
    settle(gallery)
    generation = IndexGeneration.objects.get(galleries=gallery)
    IndexSpan.objects.create(generation=generation, next_id=1, last_id=1_000_000)
    IndexSpan.objects.update(dirty_since=timezone.now() - timedelta(minutes=5))

    assert index.index_lag().detail == "1 changes wait, the oldest for 5 min"


def searched(gallery: Gallery, **fields: Any) -> IndexGeneration:
    generation = IndexGeneration.objects.create(
        model=gallery.model, server=server_label(), state=GenerationState.READY, **fields
    )
    ActiveIndex.objects.update_or_create(gallery=gallery, defaults={"generation": generation})
    return generation


@pytest.mark.django_db
def test_recall_that_is_too_low(gallery: Gallery) -> None:
    placement = Placement.objects.create(generation=searched(gallery), gallery=gallery)
    assert index.recall() == ok("recall", "not measured yet")

    Placement.objects.update(recall=0.9992)
    assert index.recall() == ok("recall", "at least 99.9% of the best matches are found")

    second = GalleryFactory()
    Placement.objects.create(generation=placement.generation, gallery=second, recall=0.1)
    Placement.objects.filter(pk=placement.pk).update(recall=0.98765)
    found = index.recall()  # of the second, which isn't searched in it, nothing
    assert found.state is State.WARNING
    assert found.sentence == (
        "1 of 1 galleries find under 99.9% of the best matches, the worst 98.77% "
        f"({gallery.slug}). `manage.py vectors tune {gallery.slug}`; if that doesn't help, "
        f"`manage.py vectors rebuild --gallery {gallery.slug}`."
    )


@pytest.mark.django_db
def test_a_rebuild_that_waits_for_something(gallery: Gallery) -> None:
    made = searched(gallery, problem="Three photos lack faces of the new model.")
    assert index.rebuilds() == warning(
        "rebuilds",
        "a new index can't take over",
        "Three photos lack faces of the new model.",
        where=made.name,
    )
    IndexGeneration.objects.update(state=GenerationState.RETIRED)  # it only waits to be dropped
    assert index.rebuilds() == ok("rebuilds", "none is needed")


@pytest.mark.django_db
def test_an_index_that_holds_more_than_suits_it(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    small = dataclasses.replace(indexes.KINDS[0], up_to=10)
    monkeypatch.setattr(indexes, "KINDS", (small, *indexes.KINDS[1:]))
    settings.MILVUS_URI = "http://127.0.0.1:19530"
    made = searched(gallery)
    Placement.objects.create(generation=made, gallery=gallery)
    bulk_templates(gallery, units(1, 12))
    assert index.rebuilds() == ok("rebuilds", "none is needed")  # a fifth more is no reason

    bulk_templates(gallery, units(2, 1))

    found = index.rebuilds()
    assert (found.state, found.where) == (State.WARNING, made.name)
    assert found.detail == "an index of type FLAT holds more than suits it; lookups get slow"
    settings.MILVUS_URI = ""
    made.server = server_label()  # the embedded one has no other type
    made.save()
    assert index.rebuilds() == ok("rebuilds", "none is needed")
