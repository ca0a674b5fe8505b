"""Are strangers let through as often as the thresholds say, and how many of the enrolled missed?

    python benchmarks/accuracy.py [--models NAME,NAME] [--splits 20] [--images FOLDER]
                                  [--models-dir FOLDER] [--cache FOLDER] [--json FILE]

The people of a labelled set are split into thirds at random: one calibrates, one is enrolled, one
is strange. Calibrating, enrolling, searching and the thresholds are the platform's own services, on
an installation of its own in a temporary folder (SQLite, Milvus Lite); photos are embedded once.

- fpir: in galleries of 100, 300 and all of the third, people with three photos at most. Each photo
  of a stranger is a search. The threshold is that of the gallery's own size and mix, and beside it
  the one that answers go by, of the tier. Pooled over the splits, with an interval by bootstrap of
  people: a person's photos, and the same person in several splits, are not independent.
- fnir: of people with four photos or more, at the same targets: enrolled with one photo, with three
  of which the best counts, with the three fused.
- simulation: drawn strangers in drawn galleries of 100,000 and 1,000,000 (search_faces.py), the
  calibration being that of all real photos. A simulation: a million labelled people are not to be
  had.

A photo in which no face is found is a search without a result: a miss, and no false positive.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from benchmarks import search_faces  # noqa: E402
from benchmarks.search_report import show  # noqa: E402

TARGETS = (0.1, 0.03, 0.01)
SIZES = (100, 300)
ENROLLED_PHOTOS = 3
SEARCHED_AT_ONCE = 200
RESAMPLES = 1_000
SIMULATED = (100_000, 1_000_000)
STRANGERS = 5_000
DEFAULT = "mtcnn-dlib-resnet"
SEED = 6

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Photos:
    """(n, 128) templates of photos, whose each is (n,), and whether it shows a face at all (n,)."""

    templates: Floats
    people: Rows
    acquired: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many people."""
        return int(self.people.max()) + 1

    def of(self, person: int) -> Rows:
        """The photos of a person that show a face."""
        return np.flatnonzero((self.people == person) & self.acquired)


@dataclass
class Searches:
    """Of strangers' searches by person: how many there were, and how many returned somebody."""

    made: dict[int, int] = field(default_factory=dict)
    wrong: dict[int, int] = field(default_factory=dict)

    def add(self, people: Rows, returned: NDArray[np.bool_]) -> None:
        """Searches by these people's photos."""
        for person, is_wrong in zip(people.tolist(), returned.tolist(), strict=True):
            self.made[person] = self.made.get(person, 0) + 1
            self.wrong[person] = self.wrong.get(person, 0) + is_wrong

    def rate(self) -> tuple[float, float, float]:
        """The share that returned somebody, and the ends of its 95 % interval."""
        made = np.array(list(self.made.values()), float)
        wrong = np.array([self.wrong[person] for person in self.made], float)
        random = np.random.default_rng(SEED)
        drawn = random.integers(0, len(made), (RESAMPLES, len(made)))
        rates = wrong[drawn].sum(1) / made[drawn].sum(1)
        low, high = np.percentile(rates, (2.5, 97.5))
        return wrong.sum() / made.sum(), float(low), float(high)


@dataclass
class Found:
    """What all splits of a model found."""

    exact: dict[tuple[str, float], Searches] = field(default_factory=dict)
    tiered: dict[tuple[str, float], Searches] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    missed: dict[tuple[str, float], list[bool]] = field(default_factory=dict)


def measured(model: str, photos: Photos, splits: int) -> Found:
    """All splits of the people."""
    found = Found()
    for number in range(splits):
        order = np.random.default_rng((SEED, number)).permutation(photos.count)
        third = photos.count // 3
        _split(model, photos, order[:third], order[third : 2 * third], order[2 * third :], found)
        print(f"  {model}: split {number + 1} of {splits}", flush=True)
    return found


def _split(
    model: str, photos: Photos, calibrating: Rows, enrolled: Rows, strange: Rows, found: Found
) -> None:
    from accounts.actors import system
    from people.models import Gallery
    from thresholds.services import calibrate

    gallery = Gallery.objects.create(
        name="trial", slug=f"trial-{Gallery.objects.count()}", model=model
    )
    calibrate(system("benchmark"), model, labelled(photos, calibrating), gallery=gallery)
    strangers = np.flatnonzero(np.isin(photos.people, strange))
    done = 0
    ends = {str(size): min(size, len(enrolled)) for size in SIZES}
    for size, wanted in {**ends, "all": len(enrolled)}.items():
        _enrol(gallery, photos, enrolled[done:wanted])
        done = wanted
        found.sizes.setdefault(size, []).append(done)
        best = _best(gallery, photos, strangers)
        for target in TARGETS:
            own, tier = _thresholds(gallery, target)
            for at, kept in ((own, found.exact), (tier, found.tiered)):
                searches = kept.setdefault((size, target), Searches())
                searches.add(photos.people[strangers], best >= at)
    _missed(gallery, photos, enrolled, found)


def labelled(photos: Photos, people: Rows) -> Any:
    from embedder.calibration import Labelled
    from thresholds.sources import Source

    numbers = np.full(photos.count, -1)
    numbers[people] = np.arange(len(people))
    owners = numbers[photos.people]
    seen = (owners >= 0) & photos.acquired
    missed = np.bincount(owners[(owners >= 0) & ~photos.acquired], minlength=len(people))
    return Source(Labelled(photos.templates[seen], owners[seen], missed), "a third of the people")


def _enrol(gallery: Any, photos: Photos, people: Rows) -> None:
    """Each with up to three photos, as the platform fuses and indexes them."""
    from django.db import transaction

    from people.models import Person
    from vectors.applying import apply_outbox
    from vectors.codec import fuse
    from vectors.models import ActiveIndex
    from vectors.services import store_template

    with transaction.atomic():
        for number in people.tolist():
            rows = photos.of(number)[:ENROLLED_PHOTOS]
            if len(rows):
                person = Person.objects.create(gallery=gallery, external_id=str(number))
                store_template(person, fuse(photos.templates[rows]), len(rows))
    apply_outbox(ActiveIndex.objects.get(gallery=gallery).generation.public_id)


def _best(gallery: Any, photos: Photos, rows: Rows) -> NDArray[np.floating]:
    """The best score of each photo in the gallery, as a lookup finds it; -1 without a face."""
    from vectors.selectors import search

    best = np.full(len(rows), -1.0)
    searched = np.flatnonzero(photos.acquired[rows])
    for begin in range(0, len(searched), SEARCHED_AT_ONCE):
        part = searched[begin : begin + SEARCHED_AT_ONCE]
        matches = search([gallery], photos.templates[rows[part]], 1)
        best[part] = [each[0].score if each else -1.0 for each in matches]
    return best


def _thresholds(gallery: Any, target: float) -> tuple[float, float]:
    """For the gallery's own size, and as answers go by."""
    from accounts.actors import system
    from thresholds.searching import threshold
    from thresholds.selectors import limits
    from thresholds.services import update_policy

    update_policy(system("benchmark"), gallery, match_fpir=target, review_fpir=max(target, 0.05))
    asked = limits([gallery])
    assert asked is not None
    return threshold(asked.standards[0].curves, asked.make_up, target), asked.match


def _missed(gallery: Any, photos: Photos, enrolled: Rows, found: Found) -> None:
    """FNIR of people with more than three photos, by how they are enrolled."""
    from thresholds.searching import threshold
    from thresholds.selectors import limits
    from vectors.codec import fuse

    asked = limits([gallery])
    assert asked is not None
    curves, size = asked.standards[0].curves, asked.searched
    for person in enrolled.tolist():
        rows = photos.of(person)
        if len(rows) <= ENROLLED_PHOTOS:
            continue
        three, probe = photos.templates[rows[:ENROLLED_PHOTOS]], photos.templates[rows[-1]]
        scores = {
            "one photo": (float(three[0] @ probe), {1: size}),
            "best of three": (float((three @ probe).max()), {1: ENROLLED_PHOTOS * size}),
            "three fused": (float(fuse(three) @ probe), {ENROLLED_PHOTOS: size}),
        }
        for target in TARGETS:
            for name, (score, make_up) in scores.items():
                is_missed = score < threshold(curves, make_up, target)
                found.missed.setdefault((name, target), []).append(is_missed)


def rows_of(model: str, found: Found) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tables of FPIR and of FNIR."""
    fpir = []
    for (size, target), searches in found.exact.items():
        rate, low, high = searches.rate()
        within = low <= target <= high or rate <= target
        fpir.append(
            {
                "model": model,
                "N": round(float(np.mean(found.sizes[size]))),
                "target": target,
                "measured": round(rate, 4),
                "95 %": f"{low:.4f} to {high:.4f}",
                "holds": "yes" if within else "no",
                "by the tier": round(found.tiered[size, target].rate()[0], 4),
            }
        )
    fnir = [
        {
            "model": model,
            "enrolled with": name,
            "target FPIR": target,
            "searches": len(missed),
            "FNIR": round(float(np.mean(missed)), 3),
        }
        for (name, target), missed in found.missed.items()
    ]
    return fpir, fnir


def simulated(photos: Photos) -> list[dict[str, Any]]:
    """Drawn strangers in large drawn galleries, against a calibration of all real people.

    By the default model: that drawn templates lie as real ones do was tried for it alone.
    """
    from embedder.calibration.measuring import measure
    from thresholds.searching import threshold

    everybody = labelled(photos, np.arange(photos.count)).labelled
    curves = {k: each.curve for k, each in measure(everybody).items()}
    seen = photos.acquired
    population = search_faces.fitted(photos.templates[seen], photos.people[seen])
    strangers = population.templates(STRANGERS, SEED + 1)
    rows, best, done = [], np.full(STRANGERS, -1.0, np.float32), 0
    for size in SIMULATED:
        gallery = population.templates(size, SEED)
        for begin in range(done, size, search_faces.BLOCK):
            scores = strangers @ gallery[begin : begin + search_faces.BLOCK].T
            best = np.maximum(best, scores.max(axis=1))
        done = size
        for target in TARGETS:
            at = threshold(curves, {1: size}, target)
            rate = round(float((best >= at).mean()), 4)
            rows.append({"N": size, "target": target, "threshold": round(at, 4), "measured": rate})
    return rows


# --- Running it -----------------------------------------------------------------------------------


@contextmanager
def installation(models_dir: Path | None) -> Iterator[None]:
    """A platform of this process alone, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="likeness-") as folder:
        os.environ.update(
            LIKENESS_VAR_DIR=folder,
            DJANGO_SETTINGS_MODULE="config.settings",
            DATABASE_URL="",
            MILVUS_URI="",
            LOG_LEVEL="ERROR",
            **({"LIKENESS_MODELS_DIR": str(models_dir)} if models_dir else {}),
        )
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from vectors.connection import at_hand

        with at_hand():
            yield


def embedded(model: str, images: Path, cache: Path) -> Photos:
    """All photos, by a model."""
    from embedder.evaluation.collection import read_people
    from embedder.evaluation.faces import FaceReader
    from people.catalogue import catalogue

    collection = read_people(images)
    pipeline = catalogue().load_pipeline(model, threads=os.cpu_count() or 1)
    faces = FaceReader(pipeline, cache=cache).read(collection.photos)
    return Photos(faces.templates, collection.person_indexes(), faces.acquired)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    fpir: list[dict[str, Any]] = []
    fnir: list[dict[str, Any]] = []
    simulation: list[dict[str, Any]] = []
    with installation(options.models_dir):
        for model in options.models.split(","):
            photos = embedded(model, options.images, options.cache)
            positives, negatives = rows_of(model, measured(model, photos, options.splits))
            fpir += positives
            fnir += negatives
            if options.simulate and model == DEFAULT:
                simulation = simulated(photos)
            tables = {"fpir": fpir, "fnir": fnir, "simulation": simulation}
            options.json.write_text(json.dumps(tables, indent=2))
    show(f"Strangers who are let through (FPIR), {options.splits} splits", fpir)
    show("Enrolled people who are missed (FNIR), all of the third enrolled", fnir)
    if simulation:
        show("Drawn strangers in drawn galleries: a simulation", simulation)


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    cache = Path(tempfile.gettempdir()) / "likeness-benchmark-faces"
    parser.add_argument("--models", default=DEFAULT, help="names, with commas")
    parser.add_argument("--models-dir", type=Path, help="manifests of your own")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--images", type=Path, default=data / "lfw-dev" / "images")
    parser.add_argument("--cache", type=Path, default=cache, help="keeps the photos' templates")
    parser.add_argument("--json", type=Path, default=Path("accuracy.json"))
    parser.add_argument("--no-simulation", dest="simulate", action="store_false")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
