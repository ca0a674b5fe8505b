"""The options of `python -m embedder evaluate ...`. Importing this imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from embedder import numbers

Command = Callable[[argparse.Namespace], list[str]]


def add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate` and its five commands; each sets `command`, which gives lines to print."""
    evaluate = commands.add_parser("evaluate", help="measure detectors and models on photos")
    kinds = evaluate.add_subparsers(required=True)

    detection = kinds.add_parser("detection", help="detection rate and false detection rate")
    detection.add_argument("--faces", type=Path, required=True, help="folder of photos with a face")
    detection.add_argument(
        "--none",
        type=Path,
        required=True,
        help="folder of pictures without faces, or skimage for those of scikit-image",
    )
    detection.add_argument("--detector", action="append", help="repeatable; default: all installed")
    _add_outputs(detection, limit="photos with a face")
    _add_record(detection, "the detector's")
    detection.set_defaults(command=_command("run_detection"))

    verification = kinds.add_parser("verification", help="LFW's protocol, TMR at FMR")
    _add_pairs(verification)
    _add_model(verification)
    _add_seed(verification)
    _add_record(verification, "the network's")
    verification.set_defaults(command=_command("run_verification"))

    identification = kinds.add_parser("identification", help="FNIR at FPIR, ranks")
    _add_images(identification)
    _add_model(identification)
    _add_outputs(identification, limit="people, by name")
    _add_seed(identification)
    identification.add_argument(
        "--sizes", type=numbers.positive, nargs="+", metavar="N", help="people in each gallery"
    )
    identification.add_argument(
        "--enrol", type=numbers.positive, default=3, metavar="K", help="photos of each person (3)"
    )
    identification.add_argument(
        "--draws", type=numbers.positive, default=10, metavar="N", help="random divisions (10)"
    )
    identification.set_defaults(command=_command("run_identification"))

    resolution = kinds.add_parser("resolution", help="accuracy by the width of faces")
    _add_pairs(resolution)
    _add_model(resolution)
    resolution.add_argument(
        "--widths",
        type=numbers.positive,
        nargs="+",
        default=[100, 80, 60, 40, 28],
        metavar="PIXELS",
        help="faces are reduced to (100 80 60 40 28)",
    )
    resolution.set_defaults(command=_command("run_resolution"))

    quality = kinds.add_parser("quality", help="errors against photos left out")
    _add_images(quality)
    _add_model(quality)
    _add_outputs(quality, limit="people, by name")
    _add_seed(quality)
    quality.add_argument("--figure", default="score", help="figure of the quality (score)")
    quality.set_defaults(command=_command("run_quality"))


def _command(name: str) -> Command:
    def run(options: argparse.Namespace) -> list[str]:
        # What evaluates brings torch along: only when it is needed.
        lines: list[str] = getattr(import_module("embedder.evaluation.commands"), name)(options)
        return lines

    return run


def _add_pairs(parser: argparse.ArgumentParser) -> None:
    _add_images(parser)
    parser.add_argument("--pairs", type=Path, required=True, help="pairs.txt in LFW's format")
    _add_outputs(parser, limit="pairs of each kind in each fold, and their photos")


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=Path, required=True, help="folder with a folder of photos for each person"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", action="append", help="repeatable; default: mtcnn-dlib-resnet")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep templates there")


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=numbers.seed, default=0, help="of all random draws (0)")


def _add_outputs(parser: argparse.ArgumentParser, *, limit: str) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw there: .png or .svg")
    parser.add_argument("--limit", type=numbers.positive, metavar="N", help=f"only so many {limit}")
    numbers.add_min_face(parser)


def _add_record(parser: argparse.ArgumentParser, whose: str) -> None:
    parser.add_argument(
        "--record", action="store_true", help=f"write the main figures into {whose} manifest"
    )
