"""What is known of a model: its manifest, a TOML file that is read strictly.

A field that is unknown, missing or of another type is an error, never a guess: a network that sees
its crops in the wrong colours still gives templates, only bad ones.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from embedder.calibration import Calibration
from embedder.catalogue import calibrations
from embedder.catalogue.fields import Fields
from embedder.errors import ManifestError
from embedder.networks.architectures import ARCHITECTURES
from embedder.networks.onnx import Points, Recipe
from embedder.types import TEMPLATE_DIM

DETECTION, EMBEDDING = "detection", "embedding"
ONNX, TORCH = "onnx", "torch"
DETECTORS = ("mtcnn", "yunet", "haar", "hog")
"""Engines that find faces. A detector has its engine's name."""
NETWORKS = ("dlib-resnet", ONNX, TORCH)
"""Engines that make templates; `onnx` runs whatever file its manifest describes, `torch` weights
of an architecture of `embedder.networks.architectures`."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME_RULE = "small letters and digits, with single hyphens between them"
_LONGEST_NAME = 60
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_CROP = 1024

Figures = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model, and the SHA-256 and length it must have.

    With `package` it lies at `path` inside that installed package. Else `path` is its name in the
    models folder, and `url` is where it can be fetched, if anywhere.
    """

    path: str
    sha256: str
    bytes: int
    package: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A detector or a network of the catalogue; docs/adr/0011-catalogue.md explains the fields.

    `recipe` is there for networks of the engine `onnx` alone, `architecture` for those of `torch`:
    the others know it by themselves. `detector` is the one that a network goes with, empty for all.
    `evaluation` holds what was measured, by detector, and
    `calibrations` the error rates by score that thresholds follow from.
    """

    name: str
    task: str
    engine: str
    title: str
    licence: str
    origin: Path
    files: tuple[File, ...]
    mirrored: bool = False
    replaces: bool = False
    recipe: Recipe | None = None
    architecture: str = ""
    detector: str = ""
    evaluation: tuple[tuple[str, Figures], ...] = ()
    calibrations: tuple[tuple[str, Calibration], ...] = ()

    def goes_with(self, detector: str) -> bool:
        """Whether a network and that detector make a model."""
        return self.detector in {"", detector}

    @property
    def dimension(self) -> int | None:
        """Length of a template; None of a detector."""
        return TEMPLATE_DIM if self.task == EMBEDDING else None

    def figures(self, detector: str) -> dict[str, float]:
        """What was measured with that detector's landmarks, by name; empty if nothing was."""
        return dict(dict(self.evaluation).get(detector, ()))

    @property
    def fingerprint(self) -> str:
        """A SHA-256 that changes with whatever changes the templates: files, input, mirroring."""
        facts: dict[str, object] = {
            "engine": self.engine,
            "files": [file.sha256 for file in self.files],
            "mirrored": self.mirrored,
            "recipe": asdict(self.recipe) if self.recipe else None,
        }
        if self.architecture:
            # Of torch's networks alone: what others are made of has a fingerprint already.
            facts["architecture"] = _described(self.architecture)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _described(architecture: str) -> dict[str, object]:
    """What changes the crops that the network gets, and what is made of them."""
    known = ARCHITECTURES[architecture]
    return {"name": known.name, "size": known.crop_size, "points": dict(known.points)}


def check_name(name: str, where: str) -> None:
    """Raise ManifestError, beginning with `where`, for what no detector or network is called."""
    _name(Fields(where, {"name": name}))


def read(path: Path) -> Manifest:
    """The manifest in a TOML file. Raises ManifestError naming file, field and remedy."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ManifestError(f"{path.name} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path.name} is not UTF-8 text. Save it as UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(f"{path.name} is no TOML: {error}. Correct it there.") from error
    return _manifest(Fields(path.name, table), path)


def _manifest(fields: Fields, path: Path) -> Manifest:
    name = _name(fields)
    task = fields.one_of("task", (DETECTION, EMBEDDING))
    engine = fields.one_of("engine", DETECTORS if task == DETECTION else NETWORKS)
    _check_named_as_engine(fields, name, engine)
    if task == EMBEDDING:
        _check_dimension(fields)
    manifest = Manifest(
        name=name,
        task=task,
        engine=engine,
        title=fields.text("title"),
        licence=fields.text("licence"),
        origin=path,
        files=tuple(_file(each) for each in fields.tables("files")),
        mirrored=fields.flag("mirrored") if task == EMBEDDING else False,
        replaces=fields.flag("replaces", default=False),
        recipe=_recipe(fields) if engine == ONNX else None,
        architecture=fields.one_of("architecture", tuple(ARCHITECTURES)) if engine == TORCH else "",
        detector=fields.one_of("detector", DETECTORS, default="") if task == EMBEDDING else "",
        evaluation=_evaluation(fields),
        calibrations=_calibrations(fields) if task == EMBEDDING else (),
    )
    fields.finish()
    if engine == TORCH and len(manifest.files) != 1:
        found = f"are {len(manifest.files)}"
        raise fields.wrong("files", found, "Name the one safetensors file with the weights.")
    return manifest


def _name(fields: Fields) -> str:
    name = fields.text("name", _NAME, _NAME_RULE)
    if len(name) > _LONGEST_NAME:
        raise fields.wrong("name", f"has {len(name)} letters", f"Use at most {_LONGEST_NAME}.")
    return name


def _check_named_as_engine(fields: Fields, name: str, engine: str) -> None:
    if engine in {ONNX, TORCH}:
        if name in (*DETECTORS, *NETWORKS):
            raise fields.wrong("name", f"is {name!r}, an engine's name", "Use another.")
    elif name != engine:
        raise fields.wrong("name", f"is {name!r}", f"What {engine} runs is called {engine!r}.")


def _check_dimension(fields: Fields) -> None:
    dimension = fields.whole("dimension", low=1, high=1 << 20)
    if dimension != TEMPLATE_DIM:
        raise fields.wrong(
            "dimension",
            f"is {dimension}",
            f"The index and every stored template have {TEMPLATE_DIM}: use a network with "
            f"{TEMPLATE_DIM} outputs.",
        )


def _file(fields: Fields) -> File:
    package = fields.text("package", default="")
    url = fields.text("url", default="")
    path = fields.text("path")
    if not package and not _FILE_NAME.fullmatch(path):
        raise fields.wrong("path", f"is {path!r}", "Write the name of a file, without folders.")
    if url and (package or not _is_web_address(url)):
        raise fields.wrong("url", f"is {url!r}", "Write https://..., and no package beside it.")
    file = File(
        path=path,
        sha256=fields.text("sha256", _SHA256, "64 hexadecimal digits, as sha256sum prints them"),
        bytes=fields.whole("bytes", low=1, high=1 << 40),
        package=package,
        url=url,
    )
    fields.finish()
    return file


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _recipe(fields: Fields) -> Recipe:
    given, alignment = fields.table("input"), fields.table("alignment")
    size = given.whole("size", low=16, high=_LARGEST_CROP)
    recipe = Recipe(
        size=size,
        points=_points(alignment, "points", size),
        colour=given.one_of("colour", ("rgb", "bgr")),
        mean=given.numbers("mean", 3),
        std=_std(given),
        layout=given.one_of("layout", ("nchw", "nhwc")),
        points_of=_points_of(alignment, size),
    )
    given.finish()
    alignment.finish()
    return recipe


def _std(given: Fields) -> tuple[float, ...]:
    std = given.numbers("std", 3)
    if not all(std):
        raise given.wrong("std", "holds a 0", "Pixels are divided by it: write 1 for no change.")
    return std


def _points_of(alignment: Fields, size: int) -> tuple[tuple[str, Points], ...]:
    others = alignment.table("detectors", optional=True)
    found = tuple((name, _points(others, name, size)) for name in others.names())
    others.finish()
    unknown = [name for name, _ in found if name not in DETECTORS]
    if unknown:
        raise alignment.wrong(
            "detectors", f"names {unknown[0]!r}", f"Detectors are {', '.join(DETECTORS)}."
        )
    return found


def _points(fields: Fields, name: str, size: int) -> Points:
    points = fields.pairs(name, 5)
    if len(set(points)) != len(points) or not all(
        0 <= each <= size for xy in points for each in xy
    ):
        raise fields.wrong(
            name,
            f"are not five different points of a crop of {size} x {size}",
            "Left eye, right eye, nose, left and right mouth corner, in pixels of the crop.",
        )
    return points


def _evaluation(fields: Fields) -> tuple[tuple[str, Figures], ...]:
    table = fields.table("evaluation", optional=True)
    found = tuple((name, table.table(name).figures()) for name in table.names())
    table.finish()
    return found


def _calibrations(fields: Fields) -> tuple[tuple[str, Calibration], ...]:
    table = fields.table("calibration", optional=True)
    found = tuple((name, calibrations.parse(table.table(name))) for name in table.names())
    table.finish()
    return found
