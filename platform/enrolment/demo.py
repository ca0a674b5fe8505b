"""A trial on a folder of people: enrol most of their photos, look up the rest, count.

Everything goes through the services that the API uses. Faces that aren't found, in enrolment or
in a lookup, count as misses.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from accounts.actors import Actor, system
from common.errors import TooLarge
from identification.services import Identification, Probes, identify
from people.models import Gallery, Person, SeveralFaces
from people.services import create_gallery, create_person
from photos.intake import BadPhoto, examine
from photos.models import FINAL_STATES, Photo, Source
from photos.services import receive
from thresholds.models import Duplicates, Misfits
from thresholds.services import update_policy
from vectors.applying import apply_outbox
from vectors.generations import ensure_active_index

from .processing import process_photos
from .services import erase

SLUG = "demo"
# Of the faces of LFW 82 % are narrower than the 100 px that a gallery asks for by default, and
# 18 % of its photos show several: so the demo's gallery takes 70 px and the central face.
MIN_FACE = 70
EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}
ACTOR: Actor = system("demo")

# Seconds between two looks at photos that others work on.
TURN = 0.2

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody of the trial: the photos to enrol and the one held out, as bytes on demand."""

    name: str
    enrol: list[Callable[[], bytes]]
    held_out: Callable[[], bytes]


@dataclass(slots=True)
class Figures:
    """What the trial found."""

    people: int = 0
    photos_enrolled: int = 0
    photos_refused: Counter[str] = field(default_factory=Counter)
    searches: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    strangers: int = 0
    strangers_without_face: int = 0
    genuine_scores: list[float] = field(default_factory=list)
    wrong_scores: list[float] = field(default_factory=list)
    stranger_scores: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def rank1(self) -> float:
        """The share of held-out photos whose best candidate is the right person."""
        return self.right / self.searches if self.searches else 0.0

    def stage_medians(self) -> dict[str, float]:
        """Milliseconds a lookup spends in each stage, at the median."""
        return {name: round(median(values), 2) for name, values in self.stages.items()}

    def as_dict(self) -> dict[str, object]:
        """Everything for JSON."""
        return {
            "rank1": self.rank1,
            "people": self.people,
            "photos_enrolled": self.photos_enrolled,
            "photos_refused": dict(self.photos_refused),
            "searches": self.searches,
            "right": self.right,
            "wrong": self.wrong,
            "missed": self.missed,
            "strangers": self.strangers,
            "strangers_without_face": self.strangers_without_face,
            "genuine_scores": self.genuine_scores,
            "wrong_scores": self.wrong_scores,
            "stranger_scores": self.stranger_scores,
            "stage_ms": self.stage_medians(),
        }


def read_folder(folder: Path, limit: int | None) -> tuple[list[Subject], list[Callable[[], bytes]]]:
    """People with two or more photos (at most `limit`), and photos of as many strangers.

    Strangers are people of the folder who are not enrolled: those with one photo first.
    """
    photos = {each.name: _photos(each) for each in sorted(folder.iterdir()) if each.is_dir()}
    several = [name for name, files in photos.items() if len(files) > 1]
    chosen = several[:limit]
    subjects = [
        Subject(name, [file.read_bytes for file in photos[name][:-1]], photos[name][-1].read_bytes)
        for name in chosen
    ]
    others = [name for name, files in photos.items() if len(files) == 1] + several[len(chosen) :]
    return subjects, [photos[name][0].read_bytes for name in others[: len(subjects)]]


def _photos(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in EXTENSIONS)


def run(
    subjects: Sequence[Subject], strangers: Sequence[Callable[[], bytes]], progress: Progress
) -> Figures:
    """Enrol, look up, count. The gallery `demo` then holds exactly these people.

    Raises:
        IndexUnavailable: Milvus is away.
    """
    gallery = demo_gallery()
    figures = Figures(people=len(subjects))
    _forget_others(gallery, {subject.name for subject in subjects})
    people = {each.name: _person(gallery, each.name) for each in subjects}
    photos = list(_counted("Uploading", _upload(gallery, subjects, people, figures), progress))
    _process(photos, progress)
    apply_outbox(ensure_active_index(gallery).public_id)
    _count_photos(photos, figures)
    for done, subject in enumerate(subjects, start=1):
        _search_known(gallery, subject, people[subject.name], figures)
        progress("Looking up people enrolled", done, len(subjects))
    for done, photo in enumerate(strangers, start=1):
        _search_stranger(gallery, photo, figures)
        progress("Looking up strangers", done, len(strangers))
    return figures


def demo_gallery() -> Gallery:
    """The demo's own gallery, made at its first run."""
    gallery = Gallery.objects.filter(slug=SLUG).first()
    if gallery is not None:
        return gallery
    gallery = create_gallery(
        ACTOR,
        name="Demo",
        slug=SLUG,
        description="Made by `manage.py demo`, which replaces the people in it.",
        min_face=MIN_FACE,
        several_faces=SeveralFaces.CENTRAL,
    )
    # It is about what lookups find: nobody is there to decide whether a photo fits.
    update_policy(ACTOR, gallery, duplicates=Duplicates.ALLOW, misfits=Misfits.ALLOW)
    return gallery


def _forget_others(gallery: Gallery, names: set[str]) -> None:
    for person in Person.objects.filter(gallery=gallery).exclude(external_id__in=names):
        erase(ACTOR, person)


def _person(gallery: Gallery, name: str) -> Person:
    known = Person.objects.filter(gallery=gallery, external_id=name).first()
    return known or create_person(ACTOR, gallery, external_id=name, name=name.replace("_", " "))


def _upload(
    gallery: Gallery, subjects: Iterable[Subject], people: dict[str, Person], figures: Figures
) -> Iterator[Photo | None]:
    for subject in subjects:
        for read in subject.enrol:
            try:
                intake = examine(read())
            except (BadPhoto, TooLarge) as problem:
                figures.photos_refused[problem.code] += 1
                yield None
                continue
            person = people[subject.name]
            yield receive(ACTOR, gallery, person, intake, source=Source.DEMO)[0]


def _counted(what: str, photos: Iterator[Photo | None], progress: Progress) -> Iterator[Photo]:
    for done, photo in enumerate(photos, start=1):
        progress(what, done, 0)
        if photo is not None:
            yield photo


def _process(photos: Sequence[Photo], progress: Progress) -> None:
    """Work on the photos here, beside the workers if any run, until all are final."""
    ids = [photo.pk for photo in photos]
    done = 0
    while done < len(ids):
        waiting = Photo.objects.filter(pk__in=ids).exclude(state__in=FINAL_STATES)
        hints = list(waiting.order_by("id").values_list("public_id", flat=True)[:100])
        if hints and not process_photos(hints):
            time.sleep(TURN)  # they are in the hands of workers
        done = len(ids) - waiting.count()
        progress("Detecting and embedding", done, len(ids))


def _count_photos(photos: Sequence[Photo], figures: Figures) -> None:
    for photo in Photo.objects.filter(pk__in=[each.pk for each in photos]):
        if photo.code:
            figures.photos_refused[photo.code] += 1
        else:
            figures.photos_enrolled += 1


def _search_known(gallery: Gallery, subject: Subject, person: Person, figures: Figures) -> None:
    figures.searches += 1
    answer = _look_up(gallery, subject.held_out, figures)
    if answer is None or not answer.lookups or not answer.lookups[0].candidates:
        figures.missed += 1
        return
    best = answer.lookups[0].candidates[0]
    if best.person.pk == person.pk:
        figures.right += 1
        figures.genuine_scores.append(best.score)
    else:
        figures.wrong += 1
        figures.wrong_scores.append(best.score)


def _search_stranger(gallery: Gallery, photo: Callable[[], bytes], figures: Figures) -> None:
    figures.strangers += 1
    answer = _look_up(gallery, photo, figures)
    if answer is None or not answer.lookups:
        figures.strangers_without_face += 1
    elif answer.lookups[0].candidates:
        figures.stranger_scores.append(answer.lookups[0].candidates[0].score)


def _look_up(
    gallery: Gallery, photo: Callable[[], bytes], figures: Figures
) -> Identification | None:
    try:
        answer = identify(ACTOR, [gallery], photo(), top_k=1, faces=Probes.CENTRAL)
    except (BadPhoto, TooLarge):
        return None
    for stage, milliseconds in answer.timings.items():
        figures.stages[stage].append(milliseconds)
    return answer
