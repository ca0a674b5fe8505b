"""Is somebody who is enrolled again under another name caught, and are wrong photos put aside?

    python benchmarks/duplicates.py [--models NAME,NAME] [--models-dir FOLDER] [--images FOLDER]
                                    [--cache FOLDER] [--json FILE]

The people of a labelled set are split into thirds at random: one calibrates, one is enrolled, one
is strange; three times, so that everybody is each of them once. Galleries have the default policy.
Faces are stored as the services store them (photos are embedded once); fusing, the index, admission
and the fit of photos are the platform's own, on an installation of its own in a temporary folder
(SQLite, Milvus Lite). The default model is also judged by the calibration that comes with it, which
was made from all of these people.

- twice: people with four photos or more are enrolled again under another name, from other photos:
  half of the photos against the other half, one photo against one, one against all others fused.
  TRIES of them, drawn at random, and all. Caught: held, and who they are is among the candidates.
- first: the strange third is enrolled, too, before. Who of them is held is a false alarm.
- photos: each person's photos come one after the other. Genuine ones that are put aside, and, at
  every step, photos of WRONG_PHOTOS strangers that are not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from benchmarks.accuracy import (  # noqa: E402
    DEFAULT,
    Photos,
    Rows,
    Searches,
    embedded,
    installation,
    labelled,
)
from benchmarks.search_report import show  # noqa: E402

if TYPE_CHECKING:
    from people.models import Gallery, Person
    from photos.models import Face

TRIES = 100
LEAST_PHOTOS = 4
MOST_IN_TURN = 6
WRONG_PHOTOS = 20
SEED = 8

Row = dict[str, Any]
# The photos somebody is enrolled with first, and those they are enrolled with again.
Sharing = Callable[[Rows], tuple[Rows, Rows]]
WAYS: dict[str, Sharing] = {
    "half, half": lambda rows: (rows[::2], rows[1::2]),
    "one, one": lambda rows: (rows[:1], rows[1:2]),
    "all others, one": lambda rows: (rows[1:], rows[:1]),
}


@dataclass
class Second:
    """How somebody's second enrolment ended."""

    person: int
    photos: tuple[int, int]
    end: str
    score: float
    threshold: float


@dataclass
class Found:
    """What all splits found, by the way photos are shared out, or by how many a template had."""

    twice: dict[str, list[Second]] = field(default_factory=dict)
    first: dict[tuple[str, str], list[bool]] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    genuine: dict[int, Searches] = field(default_factory=dict)
    wrong: dict[int, Searches] = field(default_factory=dict)
    foretold: dict[int, list[float]] = field(default_factory=dict)


class Trial:
    """A gallery of its own, and putting people with their photos into it."""

    def __init__(self, photos: Photos, model: str, calibrating: Rows | None) -> None:
        from accounts.actors import system
        from people.models import Gallery
        from thresholds.services import calibrate

        name = f"trial-{Gallery.objects.count()}"
        self.photos = photos
        self.gallery: Gallery = Gallery.objects.create(name=name, slug=name, model=model)
        if calibrating is not None:
            source = labelled(photos, calibrating)
            calibrate(system("benchmark"), model, source, gallery=self.gallery)

    def person(self, rows: Rows, name: str) -> Person:
        """Somebody with faces of these photos, fused."""
        from enrolment.fusion import refresh_templates
        from people.models import Person

        person = Person.objects.create(gallery=self.gallery, name=name)
        for row in rows.tolist():
            self.face(person, row)
        refresh_templates(person)
        return person

    def face(self, person: Person, row: int) -> Face:
        """The face of a photo, as a worker stores it."""
        from photos.models import Face, Original, Photo, PhotoState
        from vectors.codec import encode

        original, _ = Original.objects.get_or_create(
            gallery=self.gallery, sha256=f"{row:064}",
            defaults={"bytes": 1, "width": 1, "height": 1},
        )  # fmt: skip
        photo = Photo.objects.create(
            gallery=self.gallery, person=person, original=original, state=PhotoState.ENROLLED
        )
        return Face.objects.create(
            photo=photo, x=0, y=0, width=1, height=1, landmarks=[], detector_score=1,
            vector=encode(self.photos.templates[row]), model=self.gallery.model,
        )  # fmt: skip

    def admitted(self, people: Sequence[Person]) -> None:
        """All of them searched for, let in or held, and searched for again when they are seen."""
        from django.db import transaction

        from enrolment.admitting import admit, begin_admission, due

        with transaction.atomic():
            for each in people:
                begin_admission([each])
        self.indexed()
        while due().exists():
            while admit():
                pass
            self.indexed()

    def indexed(self) -> None:
        """What is noted for the index, written."""
        from vectors.applying import apply_outbox
        from vectors.generations import ensure_active_index

        apply_outbox(ensure_active_index(self.gallery).public_id)


def measured(model: str, photos: Photos, *, own: bool) -> Found:
    """All splits; by calibrations of their own, or by that which comes with the model."""
    found = Found()
    thirds = np.array_split(np.random.default_rng(SEED).permutation(photos.count), 3)
    for number in range(3):
        calibrating, enrolled, strange = (thirds[(number + place) % 3] for place in range(3))
        for way in WAYS:
            trial = Trial(photos, model, calibrating if own else None)
            _enrolled_twice(trial, enrolled, strange, way, found)
        _photos_in_turn(
            Trial(photos, model, calibrating if own else None), enrolled, strange, found
        )
        print(f"  {model}: split {number + 1} of 3", flush=True)
    return found


def _enrolled_twice(trial: Trial, enrolled: Rows, strange: Rows, way: str, found: Found) -> None:
    from django.db import transaction

    shared = {person: WAYS[way](_shuffled(trial.photos, person)) for person in enrolled.tolist()}
    again = {who: rows for who, (_, rows) in shared.items() if _is_tried(trial.photos, who)}
    with transaction.atomic():
        known = {
            # Whoever has one photo alone is enrolled with that.
            who: trial.person(first if len(first) else rest, str(who))
            for who, (first, rest) in shared.items()
        }
    trial.indexed()
    found.sizes.setdefault(way, []).append(len(known))
    _strangers(trial, strange, way, found)
    with transaction.atomic():
        second = {who: trial.person(rows, f"{who} again") for who, rows in again.items()}
    trial.admitted(list(second.values()))
    found.twice.setdefault(way, []).extend(
        _ended(who, known[who], person) for who, person in second.items()
    )


def _shuffled(photos: Photos, person: int) -> Rows:
    return np.random.default_rng((SEED, person)).permutation(photos.of(person))


def _is_tried(photos: Photos, person: int) -> bool:
    return len(photos.of(person)) >= LEAST_PHOTOS


def _strangers(trial: Trial, strange: Rows, way: str, found: Found) -> None:
    """They come for the first time: with all photos, or with one where others do, too."""
    from django.db import transaction

    most = None if way == "half, half" else 1
    with transaction.atomic():
        come = {
            who: trial.person(_shuffled(trial.photos, who)[:most], str(who))
            for who in strange.tolist()
        }
    trial.admitted(list(come.values()))
    for who, person in come.items():
        person.refresh_from_db()
        count = min(len(trial.photos.of(who)), most or len(trial.photos.people))
        kind = "one photo" if count == 1 else "several"
        found.first.setdefault((way, kind), []).append(bool(person.held))


def _ended(who: int, known: Person, second: Person) -> Second:
    """What became of a second enrolment, and by how much."""
    from reviews.models import Review
    from thresholds.selectors import limits
    from vectors.codec import decode_many
    from vectors.models import PersonTemplate

    rows = PersonTemplate.objects.filter(person__in=[known, second]).order_by("person")
    vectors = decode_many(bytes(each.vector) for each in rows)
    review = Review.objects.filter(person=second).first()
    if review is None:
        end = "let in"
    else:
        is_right = review.candidates.filter(person=known).exists()
        end = "caught" if is_right else "wrong candidates"
    asked = limits([second.gallery])
    assert asked is not None
    counts = (rows[0].face_count, rows[1].face_count)
    threshold = asked.for_probe_of(counts[1]).review
    return Second(who, counts, end, float(vectors[0] @ vectors[1]), threshold)


def _photos_in_turn(trial: Trial, enrolled: Rows, strange: Rows, found: Found) -> None:
    """Photos of one person, each judged by those before it; and photos of others."""
    from django.db import transaction

    others = np.flatnonzero(np.isin(trial.photos.people, strange) & trial.photos.acquired)
    random = np.random.default_rng(SEED)
    for who in enrolled.tolist():
        rows = _shuffled(trial.photos, who)[:MOST_IN_TURN]
        if len(rows) > 1:
            with transaction.atomic():
                wrong = random.choice(others, (len(rows) - 1, WRONG_PHOTOS))
                _one_after_another(trial, who, rows, wrong, found)


def _one_after_another(trial: Trial, who: int, rows: Rows, wrong: Rows, found: Found) -> None:
    from embedder.calibration import MOST_PHOTOS
    from enrolment.fitting import Fitting
    from enrolment.fusion import makeups, refresh_template
    from thresholds.selectors import verification_standard

    person = trial.person(rows[:1], str(who))
    for count, (row, others) in enumerate(zip(rows[1:].tolist(), wrong, strict=True), start=1):
        photos = min(count, MOST_PHOTOS)
        standard = verification_standard(trial.gallery.model, trial.gallery, photos)
        assert standard is not None
        found.foretold.setdefault(photos, []).append(standard.curve.fnmr(standard.threshold))
        face = trial.face(person, row)
        makeup = makeups([person], trial.gallery.model)[person.pk]
        fitting = Fitting(trial.gallery)
        aside = fitting.misfit(makeup, face.photo, trial.photos.templates[row]) is not None
        found.genuine.setdefault(photos, Searches()).add(np.array([who]), np.array([aside]))
        slipped = [
            fitting.misfit(makeup, face.photo, trial.photos.templates[other]) is None
            for other in others
        ]
        found.wrong.setdefault(photos, Searches()).add(np.full(len(others), who), np.array(slipped))
        refresh_template(person, trial.gallery.model)


# --- Tables ---------------------------------------------------------------------------------------


def twice_rows(model: str, found: Found) -> Iterator[Row]:
    """Of the people enrolled again: those drawn, and all."""
    tried = sorted({each.person for each in found.twice["half, half"]})
    drawn = set(np.random.default_rng(SEED).permutation(tried)[:TRIES].tolist())
    for way, seconds in found.twice.items():
        for name, chosen in (("drawn", drawn), ("all", set(tried))):
            ends = [each.end for each in seconds if each.person in chosen]
            yield {
                "model": model,
                "enrolled with, again with": way,
                "people": f"{len(ends)} {name}",
                "caught": _of_people(ends.count("caught"), len(ends)),
                "wrong candidates only": ends.count("wrong candidates"),
                "let in": ends.count("let in"),
            }


def first_rows(model: str, found: Found) -> Iterator[Row]:
    """Of the people enrolled for the first time, with so many photos."""
    for (way, kind), held in sorted(found.first.items()):
        yield {
            "model": model,
            "gallery": way,
            "enrolled before": round(float(np.mean(found.sizes[way]))),
            "with": kind,
            "people": len(held),
            "held": _of_people(sum(held), len(held)),
        }


def photo_rows(model: str, found: Found) -> Iterator[Row]:
    """Of photos that came to a template of so many."""
    for photos, genuine in sorted(found.genuine.items()):
        wrong = found.wrong[photos]
        yield {
            "model": model,
            "photos before": photos,
            "genuine": sum(genuine.made.values()),
            "put aside": _share(genuine),
            "foretold": round(float(np.mean(found.foretold[photos])), 4),
            "of others": sum(wrong.made.values()),
            "not put aside": _share(wrong, 5),
        }


def _of_people(count: int, people: int) -> str:
    """A share of people, each of whom was tried once."""
    from identification.histograms import interval

    low, high = interval(count / people, people)
    return f"{count / people:.3f} ({low:.3f} to {high:.3f})"


def _share(searches: Searches, digits: int = 3) -> str:
    from identification.histograms import interval

    rate, low, high = searches.rate()
    if rate in {0, 1}:  # resamples of people say nothing then
        low, high = interval(rate, len(searches.made))
    return f"{rate:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


# --- Running it -----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    tables: dict[str, list[Row]] = {"twice": [], "first": [], "photos": [], "seconds": []}
    with installation(options.models_dir):
        from accounts.actors import system
        from thresholds.services import bring_recorded

        known = {each.model for each in bring_recorded(system("benchmark"))}
        for model in options.models.split(","):
            photos = embedded(model, options.images, options.cache)
            for own in (True, False) if model in known else (True,):
                found = measured(model, photos, own=own)
                _add(tables, model if own else f"{model}, packaged", found)
            options.json.write_text(json.dumps(tables, indent=2))
    show("People enrolled again under another name", tables["twice"])
    show("People enrolled for the first time", tables["first"])
    show("Photos of people who have some", tables["photos"])


def _add(tables: dict[str, list[Row]], name: str, found: Found) -> None:
    tables["twice"] += twice_rows(name, found)
    tables["first"] += first_rows(name, found)
    tables["photos"] += photo_rows(name, found)
    tables["seconds"] += [
        {"model": name, "way": way, **asdict(each)}
        for way, seconds in found.twice.items()
        for each in seconds
    ]


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    cache = Path(tempfile.gettempdir()) / "likeness-benchmark-faces"
    parser.add_argument("--models", default=DEFAULT, help="names, with commas")
    parser.add_argument("--models-dir", type=Path, help="manifests of your own")
    parser.add_argument("--images", type=Path, default=data / "lfw-dev" / "images")
    parser.add_argument("--cache", type=Path, default=cache, help="keeps the photos' templates")
    parser.add_argument("--json", type=Path, default=Path("duplicates.json"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
