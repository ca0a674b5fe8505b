"""`manage.py calibrate`: measure a model's error rates, from which thresholds follow."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from accounts.actors import system
from common.console import console_of
from common.database import require_database
from common.errors import Problem
from embedder.calibration import MOST_PHOTOS
from embedder.errors import EmbedderError, EvaluationInterruptedError
from embedder.evaluation.faces import FaceReader
from people.catalogue import catalogue, default_model, installed_model
from people.models import Gallery
from thresholds import searching
from thresholds.models import Calibration, Policy
from thresholds.selectors import curves_of
from thresholds.services import bring_recorded, calibrate
from thresholds.sources import Source, from_folder, from_gallery

HELP = "Measure a model's error rates on labelled photos; thresholds follow from them."


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--images", type=Path, help="a folder with a folder for each person")
        which.add_argument("--gallery", help="a gallery's own people, and for it alone (its slug)")
        which.add_argument("--recorded", action="store_true", help="take over what manifests carry")
        parser.add_argument(
            "--model", default="", help="default: that of new galleries; of --recorded: all"
        )
        parser.add_argument("--cache", type=Path, help="with --images: keeps templates of photos")
        parser.add_argument("--source", default="", help="what it is made from, in words")
        parser.add_argument(
            "--record",
            action="store_true",
            help="with --images: write it into the network's manifest, too; it goes wherever that "
            "goes",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        require_database()
        _check(options)
        console = console_of(self.stdout)
        try:
            calibrations = (
                bring_recorded(system("command-line"), options["model"])
                if options["recorded"]
                else [self._calibrated(options, console)]
            )
        except EvaluationInterruptedError as error:
            kept = "The cache keeps" if options["cache"] else "--cache FOLDER would keep"
            said = f"{error} {kept} them. Nothing is calibrated."
            raise CommandError(said, returncode=130) from error
        except (Problem, EmbedderError) as error:
            raise CommandError(getattr(error, "detail", str(error))) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        for calibration in calibrations:
            _print(console, calibration)
        if options["recorded"] and options["model"]:
            _warn(console, options["model"])

    def _calibrated(self, options: dict[str, Any], console: Console) -> Calibration:
        gallery = _gallery(options["gallery"]) if options["gallery"] else None
        model = gallery.model if gallery else options["model"] or default_model()
        source = from_gallery(gallery) if gallery else _photos(options, model, console)
        if options["source"]:
            source = source._replace(words=options["source"])
        with _bar(console, "Comparing") as show:
            return calibrate(
                system("command-line"),
                model,
                source,
                gallery=gallery,
                record_it=options["record"],
                progress=lambda done: show(done, MOST_PHOTOS),
            )


def _check(options: dict[str, Any]) -> None:
    """Say what can't work before minutes are spent."""
    if options["gallery"] and options["model"]:
        raise CommandError("A gallery has its own model. Leave --model out.")
    if options["gallery"] and options["cache"]:
        raise CommandError("A gallery's templates are stored already. Leave --cache out.")
    if options["record"] and not options["images"]:
        raise CommandError("A manifest carries what counts for all. --record goes with --images.")


def _gallery(slug: str) -> Gallery:
    found = Gallery.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no gallery with the slug {slug!r}.")
    return found


def _photos(options: dict[str, Any], model: str, console: Console) -> Source:
    installed_model(model)
    pipeline = catalogue().load_pipeline(model, threads=settings.TORCH_THREADS or 1)
    with _bar(console, "Embedding photos") as show:
        source = from_folder(
            options["images"],
            lambda advance: FaceReader(pipeline, cache=options["cache"], advance=advance),
            show,
        )
    missed = int(source.labelled.missed.sum())
    if missed:
        console.print(f"Photos in which no face was found, each a miss: {missed:,}.")
    return source


class _bar:  # noqa: N801 - a context manager in the role of a function
    """A progress bar that is told how many of how many are done."""

    def __init__(self, console: Console, what: str) -> None:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )

    def __enter__(self) -> Callable[[int, int], None]:
        self._progress.start()
        task = self._progress.add_task("", total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _warn(console: Console, model: str) -> None:
    """Say what a model without a calibration does."""
    if not Calibration.objects.filter(model=model).exists():
        console.print(
            f"There is no calibration of {model} yet: searches give scores and decide nothing. "
            f"Measure one: manage.py calibrate --images FOLDER --model {model}",
            highlight=False,
            soft_wrap=True,
        )


def _print(console: Console, calibration: Calibration) -> None:
    """What the defaults would mean, by size and by photos of a person."""
    curves, policy = curves_of(calibration), Policy()
    table = Table("Templates", *(f"{k} photo{'s' * (k > 1)}" for k in curves), title=None)
    for end in searching.TIERS[:4]:
        cells = []
        for k in curves:
            at = searching.threshold(curves, {k: end}, policy.match_fpir)
            missed = searching.miss_rate(curves, {k: end}, at)
            cells.append("nobody" if at > 1 else f"{at:.4f}, misses {missed:.0%}")
        table.add_row(f"to {end:,}", *cells)
    console.print(
        f"{calibration} from {calibration.source}: {calibration.people:,} people, "
        f"{calibration.photos:,} photos.\n"
        f"Thresholds for a match at FPIR {policy.match_fpir:g}, and how many enrolled people stay "
        "below:",
        highlight=False,
    )
    console.print(table)
