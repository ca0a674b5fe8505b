"""`manage.py vectors rebuild`: a new index beside the old one, which answers until it is whole."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import system
from people.models import Gallery
from vectors.connection import at_hand, next_server_label, server_label
from vectors.generations import short_name, start_rebuild
from vectors.models import GenerationState, IndexGeneration, IndexType

from .galleries import gallery_of
from .wait import follow

HELP = "build an index anew while searches go on in the old one"
HERE, NEXT = "here", "next"


def add_arguments(parser: ArgumentParser) -> None:
    """What it takes."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--gallery", metavar="SLUG", help="one gallery, into an index of its own")
    which.add_argument("--all", action="store_true", help="every gallery; who shares goes on so")
    parser.add_argument("--model", default="", help="and make its templates with another model")
    parser.add_argument(
        "--index", choices=IndexType.values, default="", help="default: the one that suits its size"
    )
    parser.add_argument(
        "--server", choices=(HERE, NEXT), default="", help="next: the one in MILVUS_NEXT_URI"
    )
    parser.add_argument(
        "--drop-old", action="store_true", help="don't keep the old index to go back to"
    )
    parser.add_argument("--no-wait", action="store_true", help="leave it to the index worker")


def run(options: dict[str, Any], command: BaseCommand) -> None:
    """Start, and watch until searches use the new one."""
    galleries = list(Gallery.objects.all()) if options["all"] else [gallery_of(options["gallery"])]
    old = list(IndexGeneration.objects.filter(activeindex__gallery__in=galleries).distinct())
    with at_hand():
        made = start_rebuild(
            system("command-line"),
            galleries,
            model=options["model"],
            index_type=options["index"],
            server=_server(options["server"]),
            keeps_old=not options["drop_old"],
        )
        for each in made:
            command.stdout.write(f"Building {short_name(each)} ({_made_of(each)}).")
        if options["no_wait"]:
            return
        follow(made, command)
    for sentence in _outcome(made, old):
        command.stdout.write(sentence)


def _made_of(generation: IndexGeneration) -> str:
    if generation.galleries.exclude(model=generation.model).exists():
        return f"{generation.index_type}; photos are embedded with {generation.model} first"
    return f"{generation.index_type}, {generation.expected:,} templates"


def _outcome(made: list[IndexGeneration], old: list[IndexGeneration]) -> Iterator[str]:
    """Which index is searched now, and what can be done with the one before."""
    for each in made:
        slugs = Gallery.objects.filter(active_index__generation=each).values_list("slug", flat=True)
        if slugs:
            yield f"Searches of {', '.join(slugs)} use {short_name(each)} now."
    kept = IndexGeneration.objects.filter(
        pk__in=[each.pk for each in old], state=GenerationState.READY, activeindex=None
    )
    for each in kept:
        name = short_name(each)
        yield f"{name} is kept. `vectors switch {name}` goes back, `vectors drop {name}` ends that."


def _server(which: str) -> str:
    if which == NEXT and next_server_label() is None:
        raise CommandError("Name the Milvus to move to in MILVUS_NEXT_URI first.")
    return {HERE: server_label(), NEXT: next_server_label() or ""}.get(which, "")
