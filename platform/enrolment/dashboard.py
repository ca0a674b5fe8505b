"""The admin's first page: how much there is, what waits, and what to do first."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince

from common.admin import list_url
from people.models import Gallery, Held, Person
from photos.admin import STATE_VARIANTS, state_words
from photos.models import Photo, PhotoState
from reviews.models import Review, State
from vectors.models import GenerationState, IndexGeneration
from vectors.selectors import lag

# An index that is behind by more than this deserves a look.
SLOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Card:
    """A figure, and the way to what it counts."""

    title: str
    icon: str
    figure: str
    text: str
    url: str
    warning: bool = False


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook: what the page shows."""
    counts = _photos_by_state()
    people = Person.objects.count()
    context.update(
        title="Overview",
        cards=[
            _people(people),
            _galleries(),
            _reviews(),
            _held(),
            _waiting(counts),
            _refused(counts),
            _index(),
        ],
        photo_states=[_state(state, counts) for state in PhotoState],
        first_steps=[] if people else _first_steps(),
    )
    return context


def _photos_by_state() -> dict[str, int]:
    rows = Photo.objects.order_by().values_list("state").annotate(number=Count("pk"))
    return dict(rows)


def _people(number: int) -> Card:
    inactive = Person.objects.filter(active=False).count()
    text = f"{inactive:,} of them inactive" if inactive else "all of them active"
    return Card("People", "group", f"{number:,}", text if number else "none yet", list_url(Person))


def _galleries() -> Card:
    number = Gallery.objects.count()
    return Card(
        "Galleries", "collections_bookmark", f"{number:,}", "searched each by itself",
        list_url(Gallery),
    )  # fmt: skip


def _reviews() -> Card:
    """What waits for a person; a warning, since nobody else will do it."""
    found = Review.objects.filter(state=State.OPEN).aggregate(
        number=Count("pk"), oldest=Min("created_at")
    )
    number, oldest = found["number"], found["oldest"]
    text = f"the oldest for {timesince(oldest, depth=1)}" if oldest else "nothing to decide"
    return Card("Reviews open", "rule", f"{number:,}", text, list_url(Review), warning=number > 0)


def _held() -> Card:
    """Who is kept out of searches, and why; who was merged is somebody else."""
    found = Person.objects.aggregate(
        checking=Count("pk", filter=Q(held=Held.CHECKING)),
        duplicate=Count("pk", filter=Q(held=Held.DUPLICATE)),
        refused=Count("pk", filter=Q(held=Held.REFUSED)),
    )
    text = (
        f"{found['duplicate']:,} likely duplicates, {found['checking']:,} being checked"
        if sum(found.values())
        else "nobody is kept out of searches"
    )
    url = list_url(Person, held="any")
    return Card("People held", "front_hand", f"{sum(found.values()):,}", text, url)


def _waiting(counts: dict[str, int]) -> Card:
    received, processing = counts.get("received", 0), counts.get("processing", 0)
    text = f"{processing:,} in the hands of a worker"
    url = list_url(Photo, state__exact="received")
    return Card("Photos waiting", "hourglass_empty", f"{received:,}", text, url)


def _refused(counts: dict[str, int]) -> Card:
    rejected, quarantined = counts.get("rejected", 0), counts.get("quarantined", 0)
    text = f"{quarantined:,} in quarantine"
    url = list_url(Photo, state__exact="rejected")
    return Card("Photos rejected", "block", f"{rejected:,}", text, url, warning=bool(quarantined))


def _index() -> Card:
    behind = lag()
    building = IndexGeneration.objects.filter(state=GenerationState.BUILDING).exists()
    text = f"the oldest for {behind.seconds:,.0f} s" if behind.pending else "nothing waits"
    if building:
        text = f"being built; {text}"
    return Card(
        "Index entries pending", "database", f"{behind.pending:,}", text, list_url(IndexGeneration),
        warning=building or behind.seconds > SLOW_SECONDS,
    )  # fmt: skip


def _state(state: PhotoState, counts: dict[str, int]) -> dict[str, Any]:
    name, meaning = state_words(state)
    return {
        "name": name,
        "text": meaning,
        "variant": STATE_VARIANTS[state],
        "count": f"{counts.get(state, 0):,}",
        "url": list_url(Photo, state__exact=state.value),
    }


def _first_steps() -> list[dict[str, str]]:
    return [
        {"title": "Look at the gallery", "text": "and its settings: how small a face may be.",
         "url": list_url(Gallery)},
        {"title": "Add a person", "text": "with two or three photos.",
         "url": reverse("admin:people_person_add")},
        {"title": "Make an API key", "text": "for the program that will look up faces.",
         "url": reverse("admin:accounts_apikey_add")},
    ]  # fmt: skip
