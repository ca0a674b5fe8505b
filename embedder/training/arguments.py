"""The options of `python -m embedder align|train|picture`. Importing this imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from embedder import numbers

Command = Callable[[argparse.Namespace], list[str]]


def add_training(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that train; each sets `command`, which gives lines to print."""
    _add_align(commands)
    _add_train(commands)
    _add_picture(commands)


def _add_align(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    align = commands.add_parser("align", help="find and cut faces once, to train on them")
    align.add_argument("source", type=Path, metavar="SRC", help="folder with a folder a person")
    align.add_argument(
        "folder", type=Path, metavar="DST", help="the cache; a begun one is gone on with"
    )
    align.add_argument(
        "--architecture",
        default="mobilefacenet-half",
        help="network that the crops are for (mobilefacenet-half); a wrong name lists them",
    )
    align.add_argument("--detector", default="mtcnn", help="mtcnn, yunet, haar or hog (mtcnn)")
    numbers.add_min_face(align)
    align.set_defaults(command=_command("run_align"))


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser("train", help="train or fine-tune a network; docs/training.md")
    _add_configuration(train)
    train.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="checkpoints, curves, report"
    )
    train.add_argument("--resume", action="store_true", help="go on with the last checkpoint there")
    train.add_argument("--seed", type=numbers.seed, help="instead of the configuration's")
    train.add_argument(
        "--epochs", type=numbers.positive, help="instead of the configuration's, as in a trial"
    )
    train.add_argument(
        "--picture",
        type=numbers.positive,
        metavar="N",
        help="draw N people in two dimensions in the report",
    )
    train.set_defaults(command=_command("run_train"))


def _add_picture(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    picture = commands.add_parser(
        "picture", help="draw embeddings in two dimensions, without and with center loss"
    )
    _add_configuration(picture)
    picture.add_argument("plot", type=Path, metavar="PLOT", help="the picture, .png")
    picture.add_argument(
        "--people", type=numbers.positive, default=8, metavar="N", help="those with most photos (8)"
    )
    picture.add_argument("--epochs", type=numbers.positive, help="instead of the configuration's")
    picture.set_defaults(command=_command("run_picture"))


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "configuration",
        metavar="CONFIG",
        help="a .toml file, or the name of a shipped one: small, fine-tune-dlib or "
        "inception-resnet-v1",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="CACHE", help="what `align` has filled"
    )


def _command(name: str) -> Command:
    def run(options: argparse.Namespace) -> list[str]:
        # What trains brings torch along: only when it is needed.
        lines: list[str] = getattr(import_module("embedder.training.commands"), name)(options)
        return lines

    return run
