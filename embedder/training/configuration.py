"""What a training is told: tables of a TOML file, each a dataclass, read strictly.

An unknown, mistyped or impossible field is an error that names file, table, field and remedy: a
learning rate under a misspelt name would go unnoticed for hours.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from embedder.catalogue.fields import Fields
from embedder.errors import ManifestError, TrainingError
from embedder.networks.architectures import ARCHITECTURES
from embedder.training.losses import KINDS, LossOptions
from embedder.types import TEMPLATE_DIM

SHIPPED = Path(__file__).parent / "configurations"

FOLDS, SHARE = "folds", "share"
SGD, ADAMW = "sgd", "adamw"
STEP, COSINE, FILE = "step", "cosine", "file"
FP32, BF16 = "fp32", "bf16"

_MOST = 1_000_000_000
_ONE_LINE = re.compile(r"[^\n\r]*")
# The parts of a loss that have constants: of one that isn't used they would do nothing.
_MARGINS = ("arcface", "cosface", "triplet")


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Which network, how many numbers an embedding has, and the share of units dropped.

    start: the weights to begin with: empty for none (dlib's own for `dlib-resnet`), the path of a
    checkpoint (.pt), or the name of a network of the catalogue that was trained here.
    """

    architecture: str
    dimension: int = TEMPLATE_DIM
    dropout: float = 0.0
    start: str = ""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which photos are trained on; those of people held out measure.

    min_photos: people with fewer are not trained on. hold_out: `folds` holds out the people of
    `folds` (from 1) of the file `pairs` in LFW's format, whose pairs then measure; `share` about a
    share of the people, drawn by name: the same ones whatever the training's seed and whoever else
    comes; another `split` draws others. memory_mb: crops are decoded once if all fit there.
    """

    min_photos: int = 2
    hold_out: str = SHARE
    share: float = 0.1
    split: int = 0
    pairs: str = ""
    folds: tuple[int, ...] = ()
    memory_mb: int = 2000


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """The probability of each change of a photo, 0 for never, and how far it goes.

    flip: mirrored. crop: zoomed by at most `zoom` and moved by at most `shift` of its side. colour:
    brightness, contrast and saturation by at most `strength`. blur: reduced by at most a factor of
    `most_blur` and enlarged again. jpeg: of a quality from `least_quality` to 95. erase: a
    rectangle of at most `erased` of the area becomes noise.
    """

    flip: float = 0.5
    crop: float = 0.0
    zoom: float = 0.1
    shift: float = 0.05
    colour: float = 0.0
    strength: float = 0.3
    blur: float = 0.0
    most_blur: float = 3.0
    jpeg: float = 0.0
    least_quality: int = 40
    erase: float = 0.0
    erased: float = 0.2


@dataclass(frozen=True, slots=True)
class OptimiserOptions:
    """How weights follow their gradients.

    clip: greatest length of the gradient of all weights, 0 for any. momentum is that of `sgd`.
    loss_rate: what the learning rate is multiplied by for the loss's own weights, which begin with
    nothing even where the network has been trained before.
    """

    kind: str = SGD
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip: float = 5.0
    loss_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """The learning rate by epoch, large first and smaller later.

    rate: where it begins. warmup: epochs in which it rises to it. `step` multiplies it by `factor`
    at each of `drops` (epochs); `cosine` falls to `last` at the end; `file` follows a text file.
    """

    kind: str = COSINE
    rate: float = 0.1
    warmup: float = 0.0
    drops: tuple[int, ...] = ()
    factor: float = 0.1
    last: float = 0.0
    file: str = ""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How long, in which batches and with which precision.

    photos_each: 0 draws photos, k draws people and k photos of each, as triplets need it. ema: how
    much of the average of the weights stays at each step, 0 for no average. workers: processes
    that prepare photos, 0 for none but this. threads: of the arithmetic, 0 for one a core.
    checkpoint_steps: a checkpoint after so many steps too, 0 for one after each epoch alone. keep:
    that of every so many epochs stays under a name of its own, 0 for the last alone.
    """

    epochs: int
    batch: int
    photos_each: int = 0
    precision: str = FP32
    ema: float = 0.0
    seed: int = 0
    workers: int = 1
    threads: int = 0
    checkpoint_steps: int = 0
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that a training is told."""

    network: NetworkOptions
    data: DataOptions
    augment: AugmentOptions
    loss: LossOptions
    optimiser: OptimiserOptions
    schedule: ScheduleOptions
    training: RunOptions

    def as_dict(self) -> dict[str, Any]:
        """Plain tables, as a checkpoint holds them."""
        return asdict(self)

    def with_seed(self, seed: int) -> Configuration:
        """The same with another seed."""
        return replace(self, training=replace(self.training, seed=seed))


# What may differ when a training is resumed: it changes nothing of what is computed.
_FREE = {("training", "workers"), ("training", "threads"), ("training", "checkpoint_steps"),
         ("training", "keep"), ("data", "memory_mb")}  # fmt: skip


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first field, as `table.field`, in which two plain configurations differ in earnest.

    More epochs are none, unless the learning rate of those that are done depends on their number.
    """
    free = _FREE | ({("training", "epochs")} if _is_prolonged(one, other) else set())
    for table in sorted(one.keys() | other.keys()):
        ours, theirs = one.get(table, {}), other.get(table, {})
        for name in sorted(ours.keys() | theirs.keys()):
            if (table, name) not in free and ours.get(name) != theirs.get(name):
                return f"{table}.{name}"
    return ""


def _is_prolonged(one: dict[str, Any], other: dict[str, Any]) -> bool:
    before, now = (each.get("training", {}).get("epochs", 0) for each in (one, other))
    return bool(other.get("schedule", {}).get("kind") != COSINE and before < now)


def read(name: str) -> Configuration:
    """The configuration in a file, or the shipped one of this name.

    Files that it names lie relative to it. Raises TrainingError naming what is wrong; OSError when
    the file can't be read.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = SHIPPED / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.toml")))
            raise TrainingError(f"There is no configuration {name!r}. Name a .toml, or of {known}.")
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise TrainingError(f"{path.name} is no TOML: {error}") from error
    return parse(table, path.name, path.parent)


def parse(table: dict[str, Any], where: str, folder: Path) -> Configuration:
    """The configuration in a table. Raises TrainingError naming what is wrong in it."""
    try:
        return _parsed(Fields(where, table), folder)
    except ManifestError as error:
        raise TrainingError(str(error)) from error


def _parsed(whole: Fields, folder: Path) -> Configuration:
    read_tables: dict[str, Any] = {
        "network": _table(whole, "network", lambda table: _network(table, folder)),
        "data": _table(whole, "data", lambda table: _data(table, folder)),
        "augment": _table(whole, "augment", _augment),
        "loss": _table(whole, "loss", _loss),
        "optimiser": _table(whole, "optimiser", _optimiser),
        "schedule": _table(whole, "schedule", lambda table: _schedule(table, folder)),
        "training": _table(whole, "training", _training),
    }
    whole.finish()
    told = Configuration(**read_tables)
    if told.loss.kind == "triplet" and told.training.photos_each < 2:  # noqa: PLR2004 - a pair
        raise whole.wrong(
            "training.photos_each",
            f"is {told.training.photos_each}, and triplets need pairs of a person",
            "Write 2 or more, such as 4.",
        )
    return told


T = TypeVar("T")


def _table(whole: Fields, name: str, take: Callable[[Fields], T]) -> T:
    table = whole.table(name, optional=name not in {"network", "training"})
    taken = take(table)
    table.finish()
    return taken


def _network(table: Fields, folder: Path) -> NetworkOptions:
    normal = NetworkOptions("")
    return NetworkOptions(
        table.one_of("architecture", list(ARCHITECTURES)),
        table.whole("dimension", low=2, high=4096, default=normal.dimension),
        table.number("dropout", low=0, high=0.95, default=normal.dropout),
        _start(table, folder),
    )


def _start(table: Fields, folder: Path) -> str:
    rule = "a checkpoint's path, or a network's name, or nothing"
    name = table.text("start", _ONE_LINE, rule, default="").strip()
    if not name.endswith(".pt"):
        return name
    return _existing(table, "start", folder / name)


def _data(table: Fields, folder: Path) -> DataOptions:
    normal = DataOptions()
    min_photos = table.whole("min_photos", low=1, high=_MOST, default=normal.min_photos)
    memory = table.whole("memory_mb", low=0, high=_MOST, default=normal.memory_mb)
    hold_out = table.one_of("hold_out", [FOLDS, SHARE], default=normal.hold_out)
    if hold_out == SHARE:
        share = table.number("share", low=0.001, high=0.9, default=normal.share)
        split = table.whole("split", low=0, high=_MOST, default=normal.split)
        return DataOptions(min_photos, SHARE, share, split, memory_mb=memory)
    return DataOptions(
        min_photos,
        FOLDS,
        pairs=_file(table, "pairs", folder),
        folds=table.wholes("folds", low=1),
        memory_mb=memory,
    )


def _augment(table: Fields) -> AugmentOptions:
    normal = AugmentOptions()
    highest = {"most_blur": 16.0}
    lowest = {"most_blur": 1.0}
    found = {
        each.name: table.number(
            each.name,
            low=lowest.get(each.name, 0),
            high=highest.get(each.name, 1),
            default=getattr(normal, each.name),
        )
        for each in fields(AugmentOptions)
        if each.name != "least_quality"
    }
    quality = table.whole("least_quality", low=1, high=95, default=normal.least_quality)
    return AugmentOptions(**found, least_quality=quality)


def _loss(table: Fields) -> LossOptions:
    normal = LossOptions()
    kind = table.one_of("kind", list(KINDS), default=normal.kind)
    weight = table.number("center_weight", low=0, high=1e6, default=normal.center_weight)
    rate = table.number("center_rate", low=0, high=1, default=normal.center_rate)
    margin = scale = None
    if kind in _MARGINS and "margin" in table.names():
        margin = table.number("margin", low=0, high=4)
    if kind in _MARGINS[:2] and "scale" in table.names():
        scale = table.number("scale", low=1e-3, high=1e6)
    return LossOptions(kind, weight, rate, margin, scale)


def _optimiser(table: Fields) -> OptimiserOptions:
    normal = OptimiserOptions()
    kind = table.one_of("kind", [SGD, ADAMW], default=normal.kind)
    momentum = normal.momentum
    if kind == SGD:
        momentum = table.number("momentum", low=0, high=0.9999, default=normal.momentum)
    return OptimiserOptions(
        kind,
        momentum,
        table.number("weight_decay", low=0, high=10, default=normal.weight_decay),
        table.number("clip", low=0, high=1e9, default=normal.clip),
        table.number("loss_rate", low=0, high=1e6, default=normal.loss_rate),
    )


def _schedule(table: Fields, folder: Path) -> ScheduleOptions:
    normal = ScheduleOptions()
    kind = table.one_of("kind", [STEP, COSINE, FILE], default=normal.kind)
    if kind == FILE:
        return ScheduleOptions(FILE, file=_file(table, "file", folder))
    rate = table.number("rate", low=1e-12, high=1e6, default=normal.rate)
    warmup = table.number("warmup", low=0, high=1e6, default=normal.warmup)
    if kind == COSINE:
        last = table.number("last", low=0, high=rate, default=normal.last)
        return ScheduleOptions(COSINE, rate, warmup, last=last)
    return ScheduleOptions(
        STEP,
        rate,
        warmup,
        table.wholes("drops", low=1),
        table.number("factor", low=1e-6, high=1, default=normal.factor),
    )


def _training(table: Fields) -> RunOptions:
    normal = RunOptions(1, 1)
    return RunOptions(
        table.whole("epochs", low=1, high=_MOST),
        table.whole("batch", low=2, high=_MOST),
        table.whole("photos_each", low=0, high=_MOST, default=normal.photos_each),
        table.one_of("precision", [FP32, BF16], default=normal.precision),
        table.number("ema", low=0, high=0.999999, default=normal.ema),
        table.whole("seed", low=0, high=2**63 - 1, default=normal.seed),
        table.whole("workers", low=0, high=1024, default=normal.workers),
        table.whole("threads", low=0, high=4096, default=normal.threads),
        table.whole("checkpoint_steps", low=0, high=_MOST, default=normal.checkpoint_steps),
        table.whole("keep", low=0, high=_MOST, default=normal.keep),
    )


def _file(table: Fields, name: str, folder: Path) -> str:
    """The path of a file that must be there, relative to the configuration's folder."""
    return _existing(table, name, folder / table.text(name, rule="the path of a file"))


def _existing(table: Fields, name: str, path: Path) -> str:
    if not path.is_file():
        raise table.wrong(name, f"is {str(path)!r}, which is no file", "Correct the path.")
    # The same from wherever it is resumed.
    return str(path.resolve())
