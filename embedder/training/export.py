"""From a checkpoint to a network of the catalogue: weights, a manifest, and what was measured.

`python -m embedder export CHECKPOINT --name NAME` ends here; `manage.py models use` goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Collection as Names
from hashlib import sha256
from pathlib import Path

from embedder.calibration import Labelled, calibrate
from embedder.catalogue import Catalogue, Manifest, record_calibration, record_evaluation
from embedder.catalogue.manifest import DETECTORS, NETWORKS, check_name
from embedder.catalogue.records import write_manifest
from embedder.errors import DimensionError, TooFewPeopleError, TrainingError
from embedder.evaluation import report, verification
from embedder.evaluation.collection import Collection, Pair, read_pairs, read_people
from embedder.evaluation.faces import FaceReader
from embedder.networks.torch_network import TorchNetwork, write_weights
from embedder.training import checkpoints
from embedder.training.data import draw_pairs
from embedder.types import TEMPLATE_DIM

DEFAULT_LICENCE = "private"
_READABLE = 0o644


def export(
    checkpoint: Path,
    name: str,
    catalogue: Catalogue | None = None,
    *,
    title: str = "",
    licence: str = DEFAULT_LICENCE,
    mirrored: bool = True,
) -> Manifest:
    """Write NAME.safetensors and NAME.toml into the models folder, and try the network there.

    The manifest comes last and all at once: what it names is whole. Raises TrainingError for a
    checkpoint that can't be read or a name that is taken, DimensionError for one that has not 128
    dimensions, WeightsError or TemplateError when its weights or templates aren't finite,
    ManifestError for another name, title or licence than manifests have, OSError when the folder
    can't be written. Nothing is left behind then.
    """
    catalogue = catalogue or Catalogue()
    _check_free(name, catalogue)
    held = checkpoints.load(checkpoint)
    if held.dimension != TEMPLATE_DIM:
        raise DimensionError(
            f"{checkpoint.name} gives {held.dimension} numbers a face, not {TEMPLATE_DIM}: only a "
            f"network with {TEMPLATE_DIM} can serve."
        )
    title = title or f"{held.architecture}, trained on {len(held.people):,} people"
    catalogue.folder.mkdir(parents=True, exist_ok=True)
    path = _write_weights(held, name, catalogue.folder)
    try:
        facts = {"name": name, "title": title, "licence": licence}
        text = _manifest(facts, held, path, mirrored=mirrored)
        write_manifest(catalogue.folder / f"{name}.toml", text)
    except BaseException:
        path.unlink()
        raise
    return Catalogue(catalogue.folder).manifest(name)


def _check_free(name: str, catalogue: Catalogue) -> None:
    check_name(name, "--name")
    files = [catalogue.folder / f"{name}{suffix}" for suffix in (".toml", ".safetensors")]
    if name in {*DETECTORS, *NETWORKS, *catalogue.manifests} or any(map(Path.exists, files)):
        raise TrainingError(
            f"The name {name!r} is taken, and templates stay under the name of what made them, for "
            "good. Use another, such as one with a number or a date."
        )


def _write_weights(held: checkpoints.Checkpoint, name: str, folder: Path) -> Path:
    """The file under its name, after it was loaded and tried."""
    handle, fresh_name = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=".part")
    os.close(handle)
    fresh = Path(fresh_name)
    try:
        write_weights(fresh, held.network(), held.architecture, held.dimension)
        TorchNetwork(fresh, held.architecture, name=name)
        with fresh.open("rb") as stream:
            os.fsync(stream.fileno())
        fresh.chmod(_READABLE)
        return fresh.rename(folder / f"{name}.safetensors")
    finally:
        fresh.unlink(missing_ok=True)


def _manifest(
    facts: dict[str, str], held: checkpoints.Checkpoint, path: Path, *, mirrored: bool
) -> str:
    with path.open("rb") as stream:
        digest, length = sha256(stream.read()).hexdigest(), path.stat().st_size
    # What JSON writes of a string is one in TOML as well.
    described = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    return "\n".join(
        [
            "# Trained here, and written by `python -m embedder export`.",
            *described,
            'task = "embedding"',
            'engine = "torch"',
            f'architecture = "{held.architecture}"',
            f'detector = "{held.detector}"',
            f"dimension = {TEMPLATE_DIM}",
            f"mirrored = {str(mirrored).lower()}",
            "",
            "[[files]]",
            f'path = "{path.name}"',
            f'sha256 = "{digest}"',
            f"bytes = {length}",
            "",
        ]
    )


def measure(
    catalogue: Catalogue, model: str, collection: Collection, pairs: list[Pair], source: str
) -> list[str]:
    """Evaluate and calibrate a model, and record both in its network's manifest; lines about both.

    `source`: in words, what the calibration is made from. With too few people for one a line says
    so. Raises EvaluationError when there is no genuine or no impostor pair; all that
    `Catalogue.load_pipeline` raises; OSError.
    """
    pipeline = catalogue.load_pipeline(model, threads=1)
    with report.progress(model, len(collection.photos)) as advance:
        reader = FaceReader(pipeline, advance=advance)
        result = verification.evaluate(reader, collection, pairs)
    both = catalogue.model(model)
    record_evaluation(both.network.name, both.detector.name, result.figures(), catalogue=catalogue)
    # What the reader has read it knows.
    labelled = Labelled.of(reader.read(collection.photos), collection.person_indexes())
    try:
        found = calibrate(labelled, source)
    except TooFewPeopleError as error:
        return [_measured(result), f"It has no calibration yet. {error}"]
    record_calibration(model, found, catalogue=catalogue)
    return [_measured(result), "Its calibration, on the same people, goes along with it."]


def held_out_of(
    collection: Collection, pairs: list[Pair] | None, trained_on: Names[str]
) -> tuple[Collection, list[Pair]]:
    """The photos and pairs of people that nothing was trained on; folds are counted anew.

    Without pairs some are drawn. Raises TrainingError when those of fewer than two folds are left.
    """
    seen = set(trained_on)
    both = zip(collection.photos, collection.people, strict=True)
    left = [(photo, person) for photo, person in both if person not in seen]
    others = Collection([photo for photo, _ in left], [person for _, person in left])
    if pairs is None:
        pairs = list(draw_pairs(others.photos, others.people, seed=0))
    kept = [p for p in pairs if not {p.first.parent.name, p.second.parent.name} & seen]
    folds = {fold: place for place, fold in enumerate(sorted({pair.fold for pair in kept}))}
    # A fold's threshold comes from the others.
    if len(folds) < 2 or len({pair.genuine for pair in kept}) < 2:  # noqa: PLR2004
        raise TrainingError(
            f"Of {len(pairs)} pairs {len(kept)} show only people that the network was not trained "
            f"on, in {len(folds)} folds. Measure on pairs of other people, genuine and impostor "
            "ones, in two folds or more."
        )
    if len(set(others.people)) in {1, len(others.people)}:
        raise TrainingError(
            "The people that the network was not trained on have one photo each, or are one. "
            "Measure on more photos."
        )
    return others, [Pair(p.first, p.second, p.genuine, folds[p.fold]) for p in kept]


def run_export(options: argparse.Namespace) -> list[str]:
    """What `export` prints: where it is, how good it is, and what comes next."""
    # First: what can't be measured on is said before anything is written.
    held_out = _held_out(options)
    catalogue = Catalogue(options.models)
    manifest = export(
        options.checkpoint,
        options.name,
        catalogue,
        title=options.title,
        licence=options.licence,
        mirrored=not options.once,
    )
    lines = [f"{manifest.files[0].path} and {manifest.origin.name} are in {catalogue.folder}."]
    model = f"{manifest.detector}-{manifest.name}"
    if held_out is not None:
        source = f"people it was not trained on, folder {options.images.name}"
        lines += measure(Catalogue(options.models), model, *held_out, source)
    found = Catalogue(options.models).model(model).calibration
    return lines + _what_next(model, is_calibrated=found is not None)


def _held_out(options: argparse.Namespace) -> tuple[Collection, list[Pair]] | None:
    if options.images is None:
        if options.pairs is not None:
            raise TrainingError("--pairs are pairs of photos. Give --images, where they lie, too.")
        return None
    pairs = read_pairs(options.pairs, options.images) if options.pairs else None
    trained_on = checkpoints.load(options.checkpoint).seen
    return held_out_of(read_people(options.images), pairs, trained_on)


def _measured(result: verification.Verification) -> str:
    tmr = [
        f"TMR at FMR {fmr:g} {report.number(figure.value, 3)}" for fmr, figure in result.tmr.items()
    ]
    return (
        f"On {result.people:,} people that it was not trained on: accuracy "
        f"{result.accuracy.mean:.4f} +- {result.accuracy.error:.4f}, {', '.join(tmr)}."
    )


def _what_next(model: str, *, is_calibrated: bool) -> list[str]:
    manage = f"  {report.python()} manage.py"
    calibration = f"{manage} calibrate --images FOLDER --model {model} --record"
    return [
        "",
        "To use it:",
        *([] if is_calibrated else [calibration]),
        f"{manage} models use {model} --gallery SLUG   # in a gallery there is",
        f"{manage} models use {model}   # in new galleries",
    ]
