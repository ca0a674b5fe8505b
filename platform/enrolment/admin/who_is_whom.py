"""Who turned out to be whom: a person's history, merging, keeping apart, splitting, undoing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts.actors import actor_of
from audit.admin import usernames
from common.admin import (
    MAX_REASON,
    ModelAdmin,
    Question,
    as_key,
    as_uuid,
    asked_first,
    change_url,
    list_url,
    problems_told,
    reason_given,
)
from enrolment.identities import keep_apart, merge, split, undo
from enrolment.models import IdentityChange, IdentityKind
from enrolment.selectors import changes_of
from people.models import Person
from photos.models import Photo
from vectors.codec import decode
from vectors.models import PersonTemplate

from .cards import MOST_CARDS, enrolled_faces, face_image, standing
from .forms import SplitForm
from .review_page import person_shown

# The latest on a person's page; the audit log has the others.
MOST_CHANGES = 50
# Whoever isn't among so many is found by more letters.
MOST_FOUND = 12


# --- The history ----------------------------------------------------------------------------------


def who_is_whom(person: Person) -> dict[str, Any]:
    """What a person's page shows of it."""
    changes = list(changes_of(person)[:MOST_CHANGES])
    names = usernames(name for each in changes for name in (each.actor, each.undone_by))
    return {
        "changes": [_row(each, person, names) for each in changes],
        "may_change": person.merged_into is None,
    }


def _row(change: IdentityChange, person: Person, names: dict[str, str]) -> dict[str, Any]:
    is_first = change.person_id == person.pk
    before, after = _SENTENCES[IdentityKind(change.kind), is_first]
    return {
        "change": change,
        "before": before,
        "after": after,
        "other": change.other if is_first else change.person,
        "photos": len(change.moved),
        "by": names.get(change.actor, change.actor),
        "undone_by": names.get(change.undone_by, change.undone_by),
    }


# By what it was, and whether the page is of the one that the change is told of: the words before
# and after the other's name.
_SENTENCES = {
    (IdentityKind.MERGE, True): ("", "was merged into them"),
    (IdentityKind.MERGE, False): ("They were merged into", ""),
    (IdentityKind.SPLIT, True): ("", "was split off from them"),
    (IdentityKind.SPLIT, False): ("They were split off from", ""),
    (IdentityKind.APART, True): ("They and", "are two people"),
    (IdentityKind.APART, False): ("They and", "are two people"),
}


# --- Two people -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
    """Something to be done with two people, as its pages speak of it."""

    name: str
    finding: str
    title: str
    effects: str
    button: str
    done: str
    does: Callable[..., object]


MERGE = Act(
    name="merge",
    finding="Whom to merge with {}?",
    title="Are they the same person?",
    effects="{kept} gets the photos of {gone}, who is found no more. It can be undone.",
    button="Same person: merge",
    done="{gone} is merged into {kept}.",
    does=merge,
)
APART = Act(
    name="apart",
    finding="From whom to keep {} apart?",
    title="Are they two people?",
    effects="{kept} and {gone} stay two people: neither is ever taken for the other's duplicate. "
    "It can be undone.",
    button="Two people: keep apart",
    done="{kept} and {gone} are kept apart.",
    does=keep_apart,
)


class WhoIsWhomAdmin(ModelAdmin):
    """What a person's page has of it: each act on a page of its own, which asks first."""

    def get_urls(self) -> list[URLPattern]:
        """The pages of the acts."""
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/merge/", wrap(self.merge_view), name="people_person_merge"),
            path("<int:pk>/apart/", wrap(self.apart_view), name="people_person_apart"),
            path("<int:pk>/find/", wrap(self.find_view), name="people_person_find"),
            path("<int:pk>/split/", wrap(self.split_view), name="people_person_split"),
            path("<int:pk>/changes/<int:change>/undo/", wrap(self.undo_view),
                 name="people_person_undo_change"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def merge_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Find the other, look at both, merge."""
        return self._pair_view(request, pk, MERGE)

    def apart_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Find the other, look at both, keep apart."""
        return self._pair_view(request, pk, APART)

    def _pair_view(self, request: HttpRequest, pk: int, act: Act) -> HttpResponseBase:
        person = self.get_object(request, str(pk))
        if person is None:
            return self._gone(request)
        other = self._other(request, person)
        if other is None:
            shown = self._finding(request, person, act)
            return self._page(request, "likeness/find_person.html", shown)
        swapped = request.GET.get("into", "other" if person.held else "this") == "other"
        kept, gone = (other, person) if swapped else (person, other)
        if request.method != "POST":
            return self._page(request, "likeness/pair.html", _pair(person, act, kept, gone))
        with problems_told(request):
            act.does(actor_of(request.user), kept, gone, reason=reason_given(request))
            messages.success(request, act.done.format(kept=kept, gone=gone))
        return HttpResponseRedirect(change_url(person))

    def _other(self, request: HttpRequest, person: Person) -> Person | None:
        """Whoever was chosen, of the same gallery."""
        number = as_key(request.GET.get("other", ""))
        if number is None:
            return None
        return self._others(request, person).filter(pk=number).first()

    def _others(self, request: HttpRequest, person: Person) -> QuerySet[Person]:
        everybody: QuerySet[Person] = self.get_queryset(request).filter(gallery=person.gallery_id)
        return everybody.exclude(pk=person.pk).filter(merged_into=None)

    def _finding(self, request: HttpRequest, person: Person, act: Act) -> dict[str, Any]:
        return {
            "title": act.finding.format(person),
            "person": person,
            "q": request.GET.get("q", ""),
            **self._found(request, person, request.GET.get("q", "")),
        }

    def find_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whom the words find so far: the part of the page that follows what is typed."""
        person = self.get_object(request, str(pk))
        if person is None:
            return HttpResponseNotFound("They are gone.")
        found = self._found(request, person, request.POST.get("q", ""))
        return TemplateResponse(request, "likeness/found_people.html", found)

    def _found(self, request: HttpRequest, person: Person, words: str) -> dict[str, Any]:
        """Some of the others in the gallery in whose name or external id the words occur."""
        if not words.strip():
            return {"found": None}
        others, _ = self.get_search_results(request, self._others(request, person), words)
        people = list(others.order_by("name", "pk")[: MOST_FOUND + 1])
        rows = [
            {"person": each, "face": face_image(each, "lk-face-large"), "standing": standing(each)}
            for each in people[:MOST_FOUND]
        ]
        return {"found": rows, "has_more": len(people) > MOST_FOUND}

    # --- Splitting ---

    def split_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Choose the photos of somebody else, and say who that is."""
        person = self.get_object(request, str(pk))
        if person is None:
            return self._gone(request)
        form = SplitForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            actor, photos = actor_of(request.user), _chosen(request)
            with problems_told(request):
                change = split(actor, person, photos, **form.cleaned_data)
                messages.success(request, f"{change.other} is a person of their own.")
                return HttpResponseRedirect(change_url(change.other))
        return self._page(request, "likeness/split.html", _splitting(request, person, form))

    # --- Undoing ---

    def undo_view(self, request: HttpRequest, pk: int, change: int) -> HttpResponseBase:
        """Ask, then take a change back."""
        person = self.get_object(request, str(pk))
        found = changes_of(person).filter(pk=change).first() if person else None
        if person is None or found is None:
            return self._gone(request)
        return asked_first(
            request,
            self,
            _UNDO_QUESTIONS[IdentityKind(found.kind)],
            lambda: undo(actor_of(request.user), found, reason=reason_given(request)),
            back=change_url(person),
            done="Undone.",
        )

    # --- Pieces ---

    def _page(self, request: HttpRequest, template: str, shown: dict[str, Any]) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "most_reason": MAX_REASON,
            **shown,
        }
        return TemplateResponse(request, template, context)

    def _gone(self, request: HttpRequest) -> HttpResponseRedirect:
        messages.error(request, "They are gone.")
        return HttpResponseRedirect(list_url(Person))


def _pair(person: Person, act: Act, kept: Person, gone: Person) -> dict[str, Any]:
    """Both, with their faces."""
    faces = enrolled_faces([kept.pk, gone.pk])
    shown = [person_shown(each, faces.get(each.pk, ())) for each in (kept, gone)]
    other, into = (gone, "other") if person == kept else (kept, "this")
    return {
        "title": act.title,
        "act": act,
        "people": shown,
        "score": _score(kept, gone),
        "effects": act.effects.format(kept=kept, gone=gone),
        "turned": f"?other={other.pk}&into={into}" if act is MERGE else "",
        "back": change_url(person),
    }


def _score(person: Person, other: Person) -> float | None:
    """How alike their templates are."""
    templates = PersonTemplate.objects.filter(
        person__in=[person, other], model=person.gallery.model
    )
    vectors = [decode(bytes(each)) for each in templates.values_list("vector", flat=True)]
    return float(vectors[0] @ vectors[1]) if len(vectors) == 2 else None  # noqa: PLR2004 - a pair


def _chosen(request: HttpRequest) -> list[Any]:
    ids = [as_uuid(each) for each in request.POST.getlist("photos")]
    return [each for each in ids if each is not None]


def _splitting(request: HttpRequest, person: Person, form: SplitForm) -> dict[str, Any]:
    photos = Photo.objects.filter(person=person).select_related("original").order_by("-pk")
    chosen = set(_chosen(request))
    return {
        "title": f"Which photos of {person} show somebody else?",
        "person": person,
        "form": form,
        "photos": [
            {"photo": each, "is_chosen": each.public_id in chosen, "number": number}
            for number, each in enumerate(photos[:MOST_CARDS], start=1)
        ],
        "back": change_url(person),
    }


def _undo_question(title: str, sentence: str) -> Question:
    return Question(title, sentence, "Yes, undo it", dangerous=False, asks_reason=True)


_UNDO_QUESTIONS = {
    IdentityKind.MERGE: _undo_question(
        "Undo this merge?",
        "The two are two people again, each with the photos that they had. Photos added since stay "
        "where they are.",
    ),
    IdentityKind.SPLIT: _undo_question(
        "Undo this split?",
        "The two are one person again, with the photos of both.",
    ),
    IdentityKind.APART: _undo_question(
        "Undo that they are kept apart?",
        "They may be merged again, and taken for each other's duplicate.",
    ),
}
