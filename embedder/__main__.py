"""Look at photos from the command line.

python -m embedder detect PHOTO...       lists the faces of each photo
python -m embedder compare PHOTO PHOTO   compares the largest faces of two photos
python -m embedder evaluate ...          measures detectors and models; docs/evaluation.md
python -m embedder align SRC DST         finds and cuts faces once, to train on them
python -m embedder train CONFIG ...      trains a network; docs/training.md
python -m embedder picture CONFIG ...    draws embeddings in two dimensions
python -m embedder export CHECKPOINT     puts a trained network into the catalogue

The first two take --model; `manage.py models list` shows which there are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedder import images, numbers
from embedder.errors import (
    EmbedderError,
    EvaluationInterruptedError,
    ImageError,
    TrainingStoppedError,
)
from embedder.evaluation.arguments import add_evaluate
from embedder.training.arguments import add_training
from embedder.training.export_arguments import add_export
from embedder.types import Face

if TYPE_CHECKING:
    from embedder.pipeline import Pipeline

# As shells say it of what Ctrl-C ended.
_FAILED, _STOPPED = 2, 130
_DEFAULT_MODEL = "mtcnn-dlib-resnet"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 0, 2 after an error told in one line, or 130 if stopped."""
    options = _parser().parse_args(arguments)
    try:
        lines = options.command(options)
    except (TrainingStoppedError, EvaluationInterruptedError) as stopped:
        sys.stderr.write(f"{stopped}\n")
        return _STOPPED
    except (EmbedderError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return _FAILED
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return _STOPPED
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m embedder", description="Look at photos.")
    commands = parser.add_subparsers(required=True)
    detect = commands.add_parser("detect", help="list the faces of photos")
    detect.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    detect.set_defaults(command=_detect)
    compare = commands.add_parser("compare", help="compare the largest faces of two photos")
    compare.add_argument("photos", nargs=2, type=Path, metavar="PHOTO")
    compare.set_defaults(command=_compare)
    add_evaluate(commands)
    add_training(commands)
    add_export(commands)
    for command in (detect, compare):
        numbers.add_min_face(command)
        command.add_argument("--model", default=_DEFAULT_MODEL, help="a detector and a network")
    return parser


def _detect(options: argparse.Namespace) -> list[str]:
    pipeline = _load(options.model)
    lines = []
    for photo in options.photos:
        faces = _faces(pipeline, photo, options.min_face)
        lines.append(f"{photo}: {len(faces)} {'face' if len(faces) == 1 else 'faces'}")
        lines.extend(_described(face) for face in faces)
    return lines


def _compare(options: argparse.Namespace) -> list[str]:
    pipeline = _load(options.model)
    found = [_faces(pipeline, photo, options.min_face) for photo in options.photos]
    for photo, faces in zip(options.photos, found, strict=True):
        if not faces:
            raise EmbedderError(f"{photo}: no face at least {options.min_face:g} pixels wide")
    first, second = (faces[0].template for faces in found)
    return [f"score {float(first @ second):.4f} (cosine similarity, model {pipeline.model})"]


def _load(model: str) -> Pipeline:
    from embedder.catalogue import load_pipeline  # noqa: PLC0415 - only when it is needed

    return load_pipeline(model)


def _faces(pipeline: Pipeline, photo: Path, min_face: float) -> list[Face]:
    try:
        image = images.decode(photo.read_bytes())
    except ImageError as error:
        raise EmbedderError(f"{photo}: {error.message} ({error.code})") from error
    return pipeline.process([image], min_face=min_face)[0]


def _described(face: Face) -> str:
    box, quality = face.detection.box, face.quality
    return (
        f"  at ({box.x:.0f}, {box.y:.0f}), {box.width:.0f} x {box.height:.0f} pixels, "
        f"score {face.detection.score:.3f}; sharpness {quality.sharpness:.0f}, "
        f"brightness {quality.brightness:.2f}, yaw {quality.yaw:.0f}, pitch {quality.pitch:.0f}, "
        f"roll {quality.roll:.0f}, eyes {quality.eye_distance:.0f} pixels apart"
    )


if __name__ == "__main__":
    sys.exit(main())
