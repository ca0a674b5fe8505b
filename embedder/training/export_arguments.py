"""The options of `python -m embedder export`. Importing this imports nothing heavy."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `export`, which sets `command`: it gives lines to print."""
    export = commands.add_parser("export", help="put a trained network into the catalogue")
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="written by `train`")
    export.add_argument("--name", required=True, help="of the network: small letters, digits, -")
    export.add_argument("--title", default="", help="one line for those who choose a model")
    export.add_argument("--licence", default="private", help="of the weights (private)")
    export.add_argument(
        "--once",
        action="store_true",
        help="embed a face once, not its mirror image too: twice as fast, misses more",
    )
    export.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="evaluate and calibrate on its people not trained on",
    )
    export.add_argument(
        "--pairs", type=Path, metavar="FILE", help="their pairs, in LFW's format (drawn)"
    )
    export.add_argument("--models", type=Path, metavar="FOLDER", help="default: the models folder")
    export.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> list[str]:
    # torch comes along: only when it is needed.
    lines: list[str] = import_module("embedder.training.export").run_export(options)
    return lines
