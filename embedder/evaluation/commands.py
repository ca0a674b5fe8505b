"""What `python -m embedder evaluate ...` does: evaluate, write JSON and a plot, give a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from embedder.evaluation import (
    detection,
    identification,
    models,
    plots,
    quality,
    report,
    resolution,
    verification,
)
from embedder.evaluation.collection import (
    Collection,
    first_of_each_fold,
    read_pairs,
    read_people,
    read_photos,
)
from embedder.evaluation.faces import FaceReader
from embedder.evaluation.report import number


class Result(Protocol):
    """What an evaluation of one model or detector gives."""

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        ...


Some = TypeVar("Some", bound=Result)


def run_detection(options: argparse.Namespace) -> list[str]:
    """The table of `evaluate detection`."""
    _check_outputs(options)
    faces = read_photos(options.faces)[: options.limit]
    shipped = str(options.none) == detection.SKIMAGE
    none = detection.without_people() if shipped else read_photos(options.none)
    results = []
    for name in options.detector or models.detectors():
        detector = models.detector(name)
        with report.progress(name, len(faces) + len(none)) as advance:
            results.append(
                detection.evaluate(
                    name, detector, faces, none, min_face=options.min_face, advance=advance
                )
            )
    _write(options, results, plots.detection)
    if options.record:
        for one in results:
            models.record_detector(one.detector, one.figures())
    caption = (
        f"{len(faces)} photos with a face, {len(none)} pictures without; faces from "
        f"{options.min_face:g} pixels; ms on one thread, in batches of {detection.BATCH}"
    )
    return [caption, "", *_detection_table(results)]


def run_verification(options: argparse.Namespace) -> list[str]:
    """The table of `evaluate verification`."""
    _check_outputs(options)
    pairs = first_of_each_fold(read_pairs(options.pairs, options.images), options.limit)
    collection = read_people(options.images)
    if options.limit is not None:
        collection = _of_pairs(collection, {p for pair in pairs for p in (pair.first, pair.second)})

    def evaluate(reader: FaceReader) -> verification.Verification:
        return verification.evaluate(reader, collection, pairs, seed=options.seed)

    results = _each_model(options, len(collection.photos), evaluate)
    _write(options, results, plots.verification)
    if options.record:
        for one in results:
            models.record_model(one.model, one.figures())
    first = results[0]
    caption = (
        f"{len(pairs)} pairs in folds; all pairs of {first.photos} photos of {first.people} "
        f"people: {len(first.comparisons.genuine)} genuine, {first.curve.impostors:.0f} impostor"
    )
    return [caption, "", *_verification_table(results)]


def run_identification(options: argparse.Namespace) -> list[str]:
    """The table of `evaluate identification`."""
    _check_outputs(options)
    collection = read_people(options.images).first(options.limit)

    def evaluate(reader: FaceReader) -> identification.Identification:
        return identification.evaluate(
            reader,
            collection,
            sizes=options.sizes,
            enrolled=options.enrol,
            draws=options.draws,
            seed=options.seed,
        )

    results = _each_model(options, len(collection.photos), evaluate)
    _write(options, results, plots.identification_curves)
    caption = f"{options.draws} draws of people; up to {options.enrol} photos enrolled of each"
    return [caption, "", *_identification_table(results, options.enrol)]


def run_resolution(options: argparse.Namespace) -> list[str]:
    """The table of `evaluate resolution`."""
    _check_outputs(options)
    pairs = first_of_each_fold(read_pairs(options.pairs, options.images), options.limit)
    photos = len({photo for pair in pairs for photo in (pair.first, pair.second)})

    def evaluate(reader: FaceReader) -> resolution.Resolution:
        return resolution.evaluate(reader, pairs, widths=options.widths)

    results = _each_model(options, photos * (1 + len(options.widths)), evaluate)
    _write(options, results, plots.resolution)
    caption = f"{len(pairs)} pairs; all pairs of {photos} photos; both photos of a pair reduced"
    return [caption, "", *_resolution_table(results)]


def run_quality(options: argparse.Namespace) -> list[str]:
    """The table of `evaluate quality`."""
    _check_outputs(options)
    collection = read_people(options.images).first(options.limit)

    def evaluate(reader: FaceReader) -> quality.ErrorVersusReject:
        return quality.evaluate(reader, collection, figure=options.figure, seed=options.seed)

    results = _each_model(options, len(collection.photos), evaluate)
    _write(options, results, plots.error_versus_reject)
    caption = (
        f"FNMR at FMR {quality.FMR:g} over all pairs of {len(collection.photos)} photos; "
        f"at random: mean of {quality.DRAWS} draws and its deviation"
    )
    return [caption, "", *_quality_table(results)]


def _check_outputs(options: argparse.Namespace) -> None:
    report.check_writable(options.json, options.plot)
    if options.plot is not None:
        plots.check(options.plot)


def _of_pairs(collection: Collection, photos: set[Path]) -> Collection:
    """The part of a collection that pairs name."""
    both = zip(collection.photos, collection.people, strict=True)
    chosen = [(photo, person) for photo, person in both if photo in photos]
    return Collection([photo for photo, _ in chosen], [person for _, person in chosen])


def _each_model(
    options: argparse.Namespace, photos: int, evaluate: Callable[[FaceReader], Some]
) -> list[Some]:
    results = []
    for name in options.model or [models.DEFAULT]:
        with _reader(options, name, photos) as reader:
            results.append(evaluate(reader))
    return results


@contextmanager
def _reader(options: argparse.Namespace, name: str, photos: int) -> Iterator[FaceReader]:
    pipeline = models.pipeline(name)
    with report.progress(name, photos) as advance:
        yield FaceReader(pipeline, cache=options.cache, min_face=options.min_face, advance=advance)


def _write(
    options: argparse.Namespace,
    results: Sequence[Some],
    plot: Callable[[Path, Sequence[Some]], None],
) -> None:
    if options.json is not None:
        report.write_json(options.json, [result.record() for result in results])
    if options.plot is not None:
        plot(options.plot, results)


def _detection_table(results: Sequence[detection.Detection]) -> list[str]:
    rows = [
        [
            result.detector,
            number(result.faces.rate),
            number(1 - result.faces.rate),
            number(result.none.rate),
            number(1000 * result.faces.seconds / len(result.faces.pictures), 1),
        ]
        for result in results
    ]
    headings = ["detector", "detection rate", "miss rate", "false detection rate", "ms an image"]
    return report.table(headings, rows)


def _verification_table(results: Sequence[verification.Verification]) -> list[str]:
    headings = ["model", "accuracy", *(f"TMR at FMR {fmr:g}" for fmr in verification.FMRS)]
    rows = [
        [
            result.model,
            f"{result.accuracy.mean:.4f} +- {result.accuracy.error:.4f}",
            *(_with_interval(figure) for figure in result.tmr.values()),
            _with_interval(result.eer),
            number(len(result.failures) / result.photos),
        ]
        for result in results
    ]
    return report.table([*headings, "EER", "FTA"], rows)


def _with_interval(figure: verification.Figure) -> str:
    if figure.interval is None:
        return number(figure.value, 3)
    low, high = figure.interval
    return f"{number(figure.value, 3)} ({low:.3f} to {high:.3f})"


def _identification_table(
    results: Sequence[identification.Identification], enrolled: int
) -> list[str]:
    fpirs = [f"FNIR at FPIR {fpir:g}" for fpir in identification.FPIRS]
    rows = []
    for result in results:
        for (size, way), searches in result.searches.items():
            curve = searches.curve()
            rows.append(
                [
                    result.model,
                    str(size),
                    way if way == identification.ONE else f"{way} of {enrolled}",
                    number(searches.rank(1), 3),
                    number(searches.rank(10), 3),
                    *(
                        number(identification.fnir_at_fpir(curve, f), 3)
                        for f in identification.FPIRS
                    ),
                ]
            )
    return report.table(["model", "gallery", "enrolled", "rank 1", "rank 10", *fpirs], rows)


def _resolution_table(results: Sequence[resolution.Resolution]) -> list[str]:
    rows = [
        [
            result.model,
            "as it is" if row.width is None else str(row.width),
            f"{100 * row.reduced:.0f} %",
            f"{row.accuracy:.4f} +- {row.accuracy_stderr:.4f}",
            number(row.tmr, 3),
            number(row.fta),
        ]
        for result in results
        for row in result.widths
    ]
    headings = ["model", "width, pixels", "faces reduced", "accuracy", "TMR at FMR 0.001", "FTA"]
    return report.table(headings, rows)


def _quality_table(results: Sequence[quality.ErrorVersusReject]) -> list[str]:
    rows = [
        [
            result.model,
            f"{100 * row.share:g} %",
            number(row.worst),
            f"{row.at_random:.4f} +- {row.at_random_deviation:.4f}",
        ]
        for result in results
        for row in result.rows
    ]
    worst = f"worst by {results[0].figure}"
    return report.table(["model", "left out", worst, "at random"], rows)
