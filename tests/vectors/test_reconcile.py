"""Comparing the index with the database."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from people.models import Gallery, Person
from tests.factories import GalleryFactory, PersonFactory, entries, template
from tests.fixtures import settle
from vectors import lease, milvus
from vectors import reconcile as comparison
from vectors.applying import apply_outbox
from vectors.generations import refill, short_name
from vectors.models import IndexGeneration, PersonTemplate, VectorOutbox
from vectors.reconcile import Report, reconcile_all

pytestmark = pytest.mark.django_db


def reconcile(generation: IndexGeneration, **options: Any) -> Report:
    """The last report of a comparison."""
    *_, report = comparison.reconcile(generation, **options)
    return report


@pytest.fixture
def stored(gallery: Gallery, indexed: str) -> list[PersonTemplate]:
    """Six templates that Milvus holds."""
    made = [template(PersonFactory(gallery=gallery), seed) for seed in range(6)]
    settle(gallery)
    return made


@pytest.fixture
def generation(stored: list[PersonTemplate]) -> IndexGeneration:
    return IndexGeneration.objects.get()


@pytest.fixture
def damage(generation: IndexGeneration, stored: list[PersonTemplate]) -> dict[str, list[int]]:
    """One difference of each kind, as a crash or a stranger would leave it."""
    collection, (missing, misplaced, different, inactive, *_) = generation.collection, stored
    gallery_id = misplaced.person.gallery_id
    milvus.delete(collection, [missing.pk])
    milvus.upsert(
        collection,
        entries(
            (misplaced.pk, gallery_id + 1000, 1),
            (different.pk, gallery_id, 99),
            (10**9, gallery_id, 98),
            (-5, gallery_id, 97),
        ),
    )
    Person.objects.filter(pk=inactive.person_id).update(active=False)
    return {
        "missing": [missing.pk],
        "surplus": [-5, inactive.pk, 10**9],
        "misplaced": [misplaced.pk],
        "different": [different.pk],
    }


def test_an_index_that_agrees(generation: IndexGeneration) -> None:
    report = reconcile(generation)
    assert (report.expected, report.indexed, report.sampled, report.pending) == (6, 6, 6, 0)
    assert report.agrees
    assert report.wrong == 0


def test_each_kind_of_difference_is_found(
    generation: IndexGeneration, damage: dict[str, list[int]]
) -> None:
    report = reconcile(generation)
    assert report.examples == damage
    assert report.counts == {kind: len(ids) for kind, ids in damage.items()}
    assert (report.expected, report.indexed) == (5, 7)
    assert report.wrong == 6
    assert not report.agrees
    assert VectorOutbox.objects.count() == 0


def test_each_kind_of_difference_is_mended(
    generation: IndexGeneration, damage: dict[str, list[int]]
) -> None:
    assert reconcile(generation, repair=True).wrong == 6
    assert VectorOutbox.objects.count() == 6
    assert apply_outbox(generation.public_id) == 6
    report = reconcile(generation)
    assert report.agrees
    assert (report.expected, report.indexed) == (5, 5)


def test_what_is_pending_is_not_wrong(
    generation: IndexGeneration, stored: list[PersonTemplate]
) -> None:
    template(stored[0].person, 50)
    template(PersonFactory(gallery=stored[0].person.gallery))
    report = reconcile(generation)
    assert (report.wrong, report.pending, report.agrees) == (0, 2, False)


def test_a_sample_is_as_large_as_asked(generation: IndexGeneration) -> None:
    assert reconcile(generation, sample=2).sampled == 2
    assert reconcile(generation, sample=0).sampled == 0


@pytest.mark.parametrize("wrong", ["-1", "many", "1.5"])
def test_a_sample_that_makes_no_sense_is_refused(indexed: str, wrong: str) -> None:
    with pytest.raises(CommandError, match="--sample"):
        call_command("reconcile", "--sample", wrong)


def test_listings_of_several_pages_are_whole(
    generation: IndexGeneration, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus, "LISTING_LIMIT", 4)
    monkeypatch.setattr(comparison, "COMPARED_AT_ONCE", 2)
    assert len(list(milvus.list_entries(generation.collection))) == 6
    report = reconcile(generation)
    assert (report.expected, report.indexed, report.agrees) == (6, 6, True)


def test_several_galleries_share_a_generation(generation: IndexGeneration) -> None:
    template(PersonFactory(gallery=GalleryFactory()), 7)
    settle()
    (report,) = reconcile_all()
    assert (report.expected, report.agrees) == (7, True)


def test_the_command_says_that_they_agree(stored: list[PersonTemplate]) -> None:
    out = StringIO()
    call_command("reconcile", stdout=out)
    text = out.getvalue()
    assert text.strip().endswith("The database and the index agree.")
    assert text.count("6") >= 3


def test_the_command_fails_on_a_difference_and_mends_it(
    generation: IndexGeneration, damage: dict[str, list[int]]
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("reconcile", stdout=StringIO())
    assert str(caught.value) == "The index and the database differ. Add --repair."

    out = StringIO()
    call_command("reconcile", "--repair", stdout=out)
    assert "The database and the index agree." in out.getvalue()
    assert " missing, " in out.getvalue()  # what was mended
    assert short_name(generation) in out.getvalue()
    assert reconcile(generation).agrees


def test_the_command_applies_what_is_pending_first(stored: list[PersonTemplate]) -> None:
    template(stored[0].person, 50)
    call_command("reconcile", stdout=StringIO())
    assert VectorOutbox.objects.count() == 0


def test_the_command_says_when_milvus_is_away(
    stored: list[PersonTemplate], settings: Any, tmp_path: Path
) -> None:
    settings.MILVUS_URI, settings.MILVUS_TIMEOUT_SECONDS = "http://127.0.0.1:1", 1
    IndexGeneration.objects.update(server="http://127.0.0.1:1")
    with pytest.raises(CommandError, match=r"^The search index does not answer"):
        call_command("reconcile", stdout=StringIO())
    settings.MILVUS_URI = ""


def test_the_command_does_not_call_an_index_whole_that_is_being_built(
    stored: list[PersonTemplate], generation: IndexGeneration
) -> None:
    refill(generation.pk)
    with lease.held(generation, "index@elsewhere"), pytest.raises(CommandError) as caught:
        call_command("reconcile", "--wait", "0", stdout=StringIO())
    assert f"{generation.name} is still being built (filling 0 of 6)" in str(caught.value)
    call_command("reconcile", stdout=StringIO())
