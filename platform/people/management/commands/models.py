"""`manage.py models list|pull|check|use`: the models that galleries can have."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from accounts.actors import system
from common.console import console_of, progress_in_bytes
from common.database import require_database
from common.errors import Problem
from embedder.catalogue import Catalogue, Manifest
from embedder.catalogue.download import bring, fetch
from embedder.errors import DownloadError, UnknownModelError
from people.catalogue import (
    catalogue,
    changed,
    default_model,
    is_changed,
    usable_model,
)
from people.models import Gallery
from people.services import use_model


class Command(BaseCommand):
    help = (
        "Show which detectors, networks and models there are, fetch their files, check them, or "
        "choose the model of new galleries or of one there is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        kinds.add_parser("list", help="which there are, installed or not")
        pull = kinds.add_parser("pull", help="fetch the files of a detector, network or model")
        pull.add_argument("name")
        pull.add_argument(
            "--file", type=Path, metavar="PATH", help="take this file instead of fetching it"
        )
        kinds.add_parser("check", help="read and load all that is installed; exit code 1 if wrong")
        use = kinds.add_parser("use", help="give new galleries this model, or one there is")
        use.add_argument("name")
        use.add_argument(
            "--gallery",
            metavar="SLUG",
            help="embed its photos with it, and search it so once that is done",
        )
        use.add_argument(
            "--no-wait", action="store_true", help="with --gallery: leave it to the workers"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        if options["what"] == "pull":
            self._pull(options["name"], options["file"])
        elif options["what"] == "use":
            self._use(options["name"], options["gallery"], wait=not options["no_wait"])
        else:
            require_database()
            {"list": _list, "check": _check}[options["what"]](console, catalogue())

    def _pull(self, name: str, file: Path | None) -> None:
        found = catalogue()
        try:
            manifests = _named(found, name)
            if file is not None:
                self._bring(found, manifests, file)
            for manifest in manifests:
                fetch(manifest, found.folder, progress_in_bytes(self.stdout))
        except (UnknownModelError, DownloadError) as error:
            raise CommandError(str(error)) from error
        for manifest in manifests:
            problem = found.problem(manifest.name)
            if problem:
                raise CommandError(f"{manifest.name} can't be used. {problem}")
            self.stdout.write(self.style.SUCCESS(f"{manifest.name} is installed."))

    def _bring(self, found: Catalogue, manifests: list[Manifest], file: Path) -> None:
        if len(manifests) > 1:
            names = " or ".join(each.name for each in manifests)
            raise CommandError(f"Say whose file it is: {names}.")
        self.stdout.write(f"Copied to {bring(manifests[0], file, found.folder)}.")

    def _use(self, name: str, gallery: str | None, *, wait: bool) -> None:
        require_database()
        if gallery is not None:
            self._use_in(gallery, name, wait=wait)
            return
        try:
            use_model(system("command-line"), name)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(
            self.style.SUCCESS(f"New galleries get {name}. Those there are keep theirs.")
        )
        self._bring_calibration(name)

    def _use_in(self, slug: str, name: str, *, wait: bool) -> None:
        """Change a gallery's model: its index is built anew from templates of the other one."""
        if Gallery.objects.filter(slug=slug, model=name).exists():
            raise CommandError(f"The gallery {slug!r} has the model {name!r} already.")
        try:
            # A rebuild asks only whether it is installed: what can't be loaded is told now, not
            # by every photo.
            model = usable_model(name)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        if is_changed(model):
            raise CommandError(changed(name))
        # By name: this room lies below the one with the indexes.
        rebuild = ["rebuild", "--gallery", slug, "--model", name, *([] if wait else ["--no-wait"])]
        call_command("vectors", *rebuild, stdout=self.stdout)
        self._bring_calibration(name)

    def _bring_calibration(self, name: str) -> None:
        """What the manifest carries, so that searches end in decisions from the first on."""
        call_command("calibrate", "--recorded", "--model", name, stdout=self.stdout)


def _named(found: Catalogue, name: str) -> list[Manifest]:
    """A detector, a network, or both halves of a model."""
    try:
        return [found.manifest(name)]
    except UnknownModelError as unknown:
        detector, _, network = name.partition("-")
        try:
            return [found.manifest(detector), found.manifest(network)]
        except UnknownModelError:
            raise unknown from None


def _list(console: Console, found: Catalogue) -> None:
    table = Table("Name", "Task", "Dimension", "Licence", "Measured", "Installed")
    missing = {name: found.missing(each) for name, each in found.manifests.items()}
    for each in sorted(found.manifests.values(), key=lambda each: (each.task, each.name)):
        state = Text("no", "yellow") if missing[each.name] else Text("yes", "green")
        dimension = str(each.dimension or "")
        table.add_row(each.name, each.task, dimension, each.licence, _measured(each), state)
    console.print(table)
    chosen = default_model()
    for name in found.models():
        console.print(f"  {name}{'  (for new galleries)' if name == chosen else ''}")
    console.print()
    for reason in [*filter(None, missing.values()), *(each.reason for each in found.broken)]:
        console.print(reason, soft_wrap=True, markup=False)
    console.print(f"Manifests and files of your own: {found.folder}", soft_wrap=True)


def _measured(manifest: Manifest) -> str:
    """The first figure with each detector, in a line of its own."""
    lines = []
    for detector, figures in manifest.evaluation:
        name, value = figures[0] if figures else ("", 0.0)
        lines.append(f"{detector}: {name} {value:.4g}" if name else detector)
    return "\n".join(lines)


def _check(console: Console, found: Catalogue) -> None:
    """What isn't installed is no fault; what is installed must load, and be what it was."""
    wrong = [each.reason for each in found.broken]
    for name, manifest in sorted(found.manifests.items()):
        if not found.is_begun(manifest):
            continue
        problem = found.problem(name)
        wrong += [problem] if problem else []
        mark = Text("wrong  ", "bold red") if problem else Text("ok     ", "green")
        console.print(Text.assemble(mark, f"{name:<20}", problem), soft_wrap=True)
    for each in found.broken:
        console.print(Text.assemble(("wrong  ", "bold red"), each.reason), soft_wrap=True)
    for name in found.models():
        if is_changed(found.model(name)):
            wrong.append(name)
            console.print(Text.assemble(("wrong  ", "bold red"), changed(name)), soft_wrap=True)
    sys.exit(bool(wrong))
