"""`manage.py vectors tune`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from people.models import Gallery
from tests.factories import GalleryFactory
from tests.fixtures import settle
from vectors import recall
from vectors.models import GenerationState, IndexGeneration, Placement

from .test_recall import approximate, losing, placed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("indexed")]


def tuned(*arguments: str) -> str:
    out = StringIO()
    call_command("vectors", "tune", *arguments, stdout=out)
    return out.getvalue()


def cells(said: str) -> list[list[str]]:
    """The table's rows, as words."""
    lines = [line.strip(" │\n") for line in said.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")] for line in lines]


def test_a_table_of_what_was_tried(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    placement = approximate(placed(gallery))
    losing(monkeypatch, 0.05, below=64)

    said = tuned(gallery.slug, "--probes", "100")

    assert said.startswith(f"{gallery.slug} in {placement.generation.name[-8:]} (HNSW)\n")
    assert [row[:3] for row in cells(said)] == [
        ["16", "0.9500", "100"], ["32", "0.9500", "100"], ["64", "1.0000", "100"],
    ]  # fmt: skip
    assert all(float(row[3]) > 0 for row in cells(said))
    assert said.splitlines()[-2] == "With 100 probes made of the people's templates."
    assert Placement.objects.get(pk=placement.pk).width == 64


def test_what_no_width_reaches_is_said(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    approximate(placed(gallery))
    losing(monkeypatch, 0.5)

    said = tuned(gallery.slug, "--probes", "20")

    assert f"No width reaches {recall.TARGET}. Rebuild it: `vectors rebuild --gallery " in said


def test_as_many_probes_as_wanted(gallery: Gallery) -> None:
    placed(gallery)
    assert " in " in tuned(gallery.slug, "--probes", str(recall.PROBES))


def test_every_gallery(gallery: Gallery) -> None:
    placed(gallery)
    empty = GalleryFactory()
    settle(empty)

    said = tuned("--all")

    assert f"{gallery.slug} in " in said
    assert [row[:2] for row in cells(said)] == [["exact", "1.0000"]]
    assert said.count("Nobody is in it yet.") == 1


def test_only_an_index_that_is_ready_is_tuned(gallery: Gallery) -> None:
    placed(gallery)
    IndexGeneration.objects.update(state=GenerationState.BUILDING)

    with pytest.raises(CommandError, match=f"The index of {gallery.slug} is not ready"):
        tuned(gallery.slug)
    with pytest.raises(CommandError, match="There is no gallery with the slug 'nowhere'"):
        tuned("nowhere")


@pytest.mark.parametrize(
    "arguments", [(), ("main", "--all"), ("main", "--probes", "0"), ("main", "--probes", "many")]
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises((CommandError, SystemExit)):
        tuned(*arguments)
