"""What the admin shows of people: a face, whether searches find them, their photos as cards."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import F, Prefetch, QuerySet, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from common.admin import change_url, label, link
from people.models import Held, Person
from photos.admin import REPEATABLE, STATE_VARIANTS, meaning_of, state_words
from photos.models import FINAL_STATES, Face, Photo, PhotoState
from reviews.models import Kind, Review, State
from vectors.models import PersonTemplate

# Cards on one page; the list of photos has the others.
MOST_CARDS = 60
# Faces of each, where people are compared.
MOST_FACES = 3
# A list shows the face on one of a person's latest photos.
FACE_COLUMNS = ("id", "photo_id", "template_id", "x", "y", "width", "height", "unused_because")


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether searches find a person, and who or what says why not."""

    text: str
    variant: str
    meaning: str
    under_way: bool = False
    cause: SafeString | None = None


HELD = {
    Held.CHECKING: Standing(
        "checking",
        "info",
        "They are being looked for among those enrolled, before searches find them.",
        under_way=True,
    ),
    Held.DUPLICATE: Standing(
        "likely duplicate", "warning", "They look like somebody enrolled: reviewers decide."
    ),
    Held.REFUSED: Standing(
        "refused", "danger", "They look like somebody enrolled, and the gallery takes nobody twice."
    ),
    Held.MERGED: Standing(
        "merged", "", "They are the same person as another, who has their photos."
    ),
}


def with_faces(people: QuerySet[Person]) -> QuerySet[Person]:
    """People with what `standing`, `face_image` and `states` read, in a fixed number of queries."""
    enrolled = Face.objects.shown().filter(template__isnull=False).only(*FACE_COLUMNS)
    photos = Photo.objects.only("id", "person_id", "state").prefetch_related(
        Prefetch("faces", queryset=enrolled)
    )
    templates = PersonTemplate.objects.with_searchable().defer("vector", "given_vector")
    reviews = Review.objects.filter(kind=Kind.DUPLICATE).order_by("pk")
    return people.select_related("gallery", "merged_into").prefetch_related(
        Prefetch("photos", queryset=photos),
        Prefetch("templates", queryset=templates),
        Prefetch("reviews", queryset=reviews),
    )


def standing(person: Person) -> Standing:
    """Whether searches find this person, and why not."""
    if person.held:
        return replace(HELD[Held(person.held)], cause=_cause(person))
    if not person.active:
        return Standing("inactive", "", "Searches don't find them until they are activated.")
    templates = [each for each in person.templates.all() if each.model == person.gallery.model]
    if not templates:
        return Standing("no face yet", "warning", "No photo of theirs is enrolled.")
    if not templates[0].searchable:
        return Standing("indexing", "info", "The index has not caught up yet.", under_way=True)
    return Standing("searchable", "success", "Searches find them.")


def _cause(person: Person) -> SafeString | None:
    """The way to what holds somebody: who they were merged into, or the last review of them."""
    if person.merged_into is not None:
        return link(change_url(person.merged_into), f"into {person.merged_into}")
    reviews = [each for each in person.reviews.all() if each.kind == Kind.DUPLICATE]
    if not reviews or person.held == Held.CHECKING:
        return None
    is_open = reviews[-1].state == State.OPEN
    return link(change_url(reviews[-1]), "open review" if is_open else "the review")


def standing_label(person: Person) -> SafeString:
    """The same in its colour."""
    found = standing(person)
    shown = label(found.text, found.variant, found.meaning)
    return format_html("{} {}", shown, found.cause) if found.cause else shown


def enrolled_faces(people: Iterable[int], *, but_of: Iterable[UUID] = ()) -> dict[int, list[Face]]:
    """A few faces of each that count for them, the widest first, in one query.

    None of the photos `but_of`.
    """
    place = Window(RowNumber(), partition_by=F("template__person"), order_by=["-width", "pk"])
    faces = (
        Face.objects.shown()
        .filter(template__person__in=list(people))
        .exclude(photo__public_id__in=list(but_of))
        .annotate(whose=F("template__person"), place=place)
        .filter(place__lte=MOST_FACES)
        .only(*FACE_COLUMNS)
        .order_by("place")
    )
    found: dict[int, list[Face]] = defaultdict(list)
    for each in faces:
        found[getattr(each, "whose", 0)].append(each)
    return found


def face_image(person: Person, size: str = "") -> SafeString:
    """The widest enrolled face, or a sign that there is none."""
    faces = [
        face for photo in person.photos.all() for face in photo.faces.all() if face.template_id
    ]
    if not faces:
        return no_face(size)
    best = max(faces, key=lambda face: face.width)
    url = reverse("admin:photos_face_thumbnail", args=[best.pk])
    return format_html(
        '<img class="lk-face {}" loading="lazy" src="{}" alt="Face of {}">', size, url, person
    )


def no_face(size: str = "") -> SafeString:
    """A sign that there is none."""
    return format_html(
        '<span class="lk-face lk-noface {}"><span class="material-symbols-outlined" '
        'aria-hidden="true">person</span><span class="lk-hidden">No face</span></span>',
        size,
    )


def states(person: Person) -> SafeString:
    """How many photos are in which state."""
    counts = Counter(photo.state for photo in person.photos.all())
    labels = [
        (label(f"{counts[state]} {state_words(state)[0]}", STATE_VARIANTS[state]),)
        for state in PhotoState
        if counts[state]
    ]
    return format_html_join(" ", "{}", labels)


def cards_of(person: Person) -> dict[str, Any]:
    """What the part of a person's page shows that refreshes itself."""
    faces = Face.objects.shown().only(*FACE_COLUMNS)
    asked = Review.objects.filter(state=State.OPEN)
    newest = (
        Photo.objects.filter(person=person)
        .select_related("original", "gallery")
        .prefetch_related(Prefetch("faces", queryset=faces), Prefetch("reviews", queryset=asked))
        .order_by("-id")[: MOST_CARDS + 1]
    )
    photos = list(newest)
    found = standing(person)
    return {
        "person": person,
        "face": face_image(person, "lk-face-large"),
        "standing": found,
        "states": states(person),
        "cards": [_card(photo) for photo in photos[:MOST_CARDS]],
        "has_more": len(photos) > MOST_CARDS,
        "under_way": found.under_way or any(photo.state not in FINAL_STATES for photo in photos),
    }


def _card(photo: Photo) -> dict[str, Any]:
    faces = list(photo.faces.all())
    meaning = meaning_of(photo, faces)
    return {
        "photo": photo,
        "faces": faces,
        "state": state_words(photo.state)[0],
        "variant": STATE_VARIANTS[PhotoState(photo.state)],
        "text": photo.text or f"{meaning[:1].upper()}{meaning[1:]}.",
        "repeatable": photo.state in REPEATABLE,
        "review": next(iter(photo.reviews.all()), None),
    }
