"""`manage.py vectors list`: every index, what it holds, and how far it is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from rich.table import Table

from common.console import console_of
from vectors.generations import short_name
from vectors.models import ActiveIndex, GenerationState, IndexGeneration, Placement
from vectors.progress import progress_of
from vectors.selectors import lag

HELP = "every index: where it is, what it holds, how far it is"


def add_arguments(parser: ArgumentParser) -> None:
    """Nothing."""


def run(_options: dict[str, Any], command: BaseCommand) -> None:
    """Print a table."""
    console = console_of(command.stdout)
    generations = IndexGeneration.objects.order_by("pk")
    if not generations:
        console.print("No index yet: the first enrolment makes one.")
        return
    table = Table("Index", "State", "Type", "Model", "Server", "Galleries", "Waiting", "Recall@1")
    for each in generations:
        table.add_row(
            short_name(each),
            _state(each),
            each.index_type,
            each.model,
            each.server,
            *_holdings(each),
        )
    console.print(table)
    for each in generations:
        if each.problem:
            console.print(f"{short_name(each)}: {each.problem}", markup=False, soft_wrap=True)


def _state(generation: IndexGeneration) -> str:
    if generation.state != GenerationState.READY or generation.takes_over:
        return str(progress_of(generation))
    in_use = ActiveIndex.objects.filter(generation=generation).exists()
    return "searched" if in_use else "kept"


def _holdings(generation: IndexGeneration) -> tuple[str, str, str]:
    placements = Placement.objects.filter(generation=generation).select_related(
        "gallery__active_index"
    )
    recalls = [each.recall for each in placements if each.recall is not None]
    return (
        ", ".join(map(_gallery, placements)),
        f"{lag(generation).pending:,}",
        f"{min(recalls):.4f}" if recalls else "-",
    )


def _gallery(placement: Placement) -> str:
    """Its slug, in brackets while it is searched in another index."""
    active = getattr(placement.gallery, "active_index", None)
    here = active is not None and active.generation_id == placement.generation_id
    return placement.gallery.slug if here else f"({placement.gallery.slug})"
