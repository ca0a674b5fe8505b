"""Who turned out to be whom: merging, splitting, keeping apart, and undoing each of them.

Everybody concerned is locked in the order of their keys, then photos, then templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.actors import Actor
from audit.services import record
from common.errors import Conflict, NotFound, Unprocessable
from people.access import require
from people.locks import lock_people
from people.models import Held, Person, Role
from people.services import create_person
from photos.models import Photo, PhotoState
from reviews.models import Candidate, Kind, Review, State

from .admitting import await_admission, begin_admission
from .fusion import refresh_templates
from .models import Admission, IdentityChange, IdentityKind, Stage
from .selectors import keeping_apart

# --- Changing -------------------------------------------------------------------------------------


@transaction.atomic
def merge(
    actor: Actor, person: Person, other: Person, *, reason: str = "", review: Review | None = None
) -> IdentityChange:
    """`other` is the same person as `person`, who gets their photos. `other` is found no more.

    Photos of which `person` has the same bytes stay where they are, and count for nothing.

    Raises:
        Forbidden: the actor decides nothing in the gallery.
        Unprocessable: they are one (`same_person`), or of two galleries (`other_gallery`).
        Conflict: one of them was merged before (`merged`), `person` is held (`held`), or it was
            decided that they are two people (`kept_apart`); reviewers are asked about `other`
            (`in_review`): they decide.
    """
    person, other = _locked_pair(actor, person, other)
    _check_free(person, other)
    apart = keeping_apart(person, other)
    if apart is not None:
        raise Conflict(
            "It was decided that they are two people. Undo that first.",
            code="kept_apart",
            change=str(apart.public_id),
        )
    if person.held:
        raise Conflict(
            "This person is held back themselves. Merge them into the other, or let a reviewer "
            "decide first.",
            code="held",
        )
    if review is None:
        _check_not_asked(other)
    returned = _swap_for_enrolled(other, person)
    change = IdentityChange(
        kind=IdentityKind.MERGE,
        person=person,
        other=other,
        reason=reason,
        review=review,
        held_before=other.held,
        active_before=other.active,
        moved=[*_move(_photos_to_move(other, person), person), *returned],
        returned=list(returned.values()),
    )
    Admission.objects.filter(person=other).delete()
    other.active, other.held, other.merged_into = False, Held.MERGED, person
    other.save(update_fields=["active", "held", "merged_into", "updated_at"])
    refresh_templates(other)
    refresh_templates(person)
    return _noted(actor, change)


@transaction.atomic
def split(
    actor: Actor, person: Person, photos: Sequence[UUID], *, reason: str = "", **fields: Any
) -> IdentityChange:
    """Some photos are of somebody else, who becomes a person of their own. `fields` are theirs.

    The two are kept apart from then on. Whoever is new is looked for among those enrolled.

    Raises:
        Forbidden: the actor decides nothing in the gallery.
        NotFound: a photo is not this person's.
        Unprocessable: none is named, or none would be left (`nothing_to_split`).
        Conflict: they were merged into another (`merged`), are held (`held`), or the new one's
            external id is taken.
    """
    require(actor, person.gallery, Role.REVIEWER)
    person = _locked(person)
    _check_free(person)
    if person.held:
        raise Conflict("This person is held back: let a reviewer decide first.", code="held")
    chosen = _chosen_photos(person, photos)
    other = create_person(actor, person.gallery, **fields)
    other = lock_people([other.pk])[other.pk]
    change = IdentityChange(
        kind=IdentityKind.SPLIT,
        person=person,
        other=other,
        reason=reason,
        moved=_move(chosen, other),
    )
    refresh_templates(person)
    refresh_templates(other)
    noted = _noted(actor, change)
    if other.templates.exists():
        begin_admission([other])
    return noted


@transaction.atomic
def keep_apart(
    actor: Actor, person: Person, other: Person, *, reason: str = "", review: Review | None = None
) -> IdentityChange:
    """They are two people, however alike: neither is ever taken for the other's duplicate.

    Decided twice it stands once: the change that there was is returned. Raises as `merge`, for one,
    two galleries, or somebody merged.
    """
    person, other = _locked_pair(actor, person, other)
    _check_free(person, other)
    known = keeping_apart(person, other)
    if known is not None:
        return known
    change = IdentityChange(
        kind=IdentityKind.APART, person=person, other=other, reason=reason, review=review
    )
    return _noted(actor, change)


@transaction.atomic
def undo(actor: Actor, change: IdentityChange, *, reason: str = "") -> IdentityChange:
    """Take a change back: photos, templates and index are as if it had not been.

    What came since stays where it is: a photo added after a merge belongs to the one who is left.

    Raises:
        Forbidden: the actor decides nothing in the gallery.
        Conflict: it is undone already (`undone`); a later merge has to be undone first (`merged`);
            a review decided it, which is where it is undone (`decided_by_review`).
    """
    require(actor, change.gallery, Role.REVIEWER)
    if change.review is not None and change.undone_at is None:
        raise Conflict(
            "A review decided this. Undo the review's decision.",
            code="decided_by_review",
            review=str(change.review.public_id),
        )
    return take_back(actor, change, reason)


def take_back(
    actor: Actor, change: IdentityChange, reason: str, *, whatever_since: bool = False
) -> IdentityChange:
    """`undo`, for whoever may: in their transaction.

    `whatever_since`: photos that were moved once more since are fetched from where they are.
    """
    people = lock_people([change.person_id, change.other_id])
    locked = IdentityChange.objects.select_for_update().filter(pk=change.pk).first()
    if locked is None or len(people) < 2:  # noqa: PLR2004 - the two of a pair
        raise NotFound("change")
    if locked.undone_at is not None:
        raise Conflict("This is undone already.", code="undone")
    person, other = people[change.person_id], people[change.other_id]
    _check_free(person)
    if whatever_since:
        _fetch(locked, person)
    else:
        _check_last(locked)
    if locked.kind == IdentityKind.MERGE:
        _separate(locked, person, other)
    elif locked.kind == IdentityKind.SPLIT:
        _check_free(other)
    locked.undone_at, locked.undone_by = timezone.now(), str(actor)
    locked.undone_because = reason
    locked.save(update_fields=["undone_at", "undone_by", "undone_because", "updated_at"])
    _record(actor, "undo", locked)
    if locked.kind == IdentityKind.SPLIT:
        merge(actor, person, other, reason=reason)
    return locked


def _check_last(change: IdentityChange) -> None:
    """Changes that moved the same photos are undone from the last to the first."""
    later = IdentityChange.objects.filter(
        gallery=change.gallery_id, undone_at=None, pk__gt=change.pk
    )
    people = [change.person_id, change.other_id]
    # The merge with which a split is undone only puts back what the split had moved.
    undone_splits = IdentityChange.objects.filter(
        kind=IdentityKind.SPLIT,
        undone_at__isnull=False,
        person=OuterRef("person"),
        other=OuterRef("other"),
    )
    putting_back = Q(Exists(undone_splits), kind=IdentityKind.MERGE)
    touching = later.filter(Q(person__in=people) | Q(other__in=people)).exclude(putting_back)
    for each in touching.order_by("-pk"):
        if set(each.moved) & set(change.moved):
            raise Conflict(
                "Some of these photos were moved once more since. Undo that first.",
                code="moved_since",
                change=str(each.public_id),
            )


def _fetch(change: IdentityChange, person: Person) -> None:
    """Give somebody the photos of a change that others have now."""
    own = Photo.objects.filter(person=person).values("original")
    elsewhere = Photo.objects.filter(public_id__in=change.moved).exclude(original__in=own)
    holders = lock_people(elsewhere.exclude(person=None).values_list("person_id", flat=True))
    _move(elsewhere, person)
    for each in holders.values():
        refresh_templates(each)


def _separate(change: IdentityChange, person: Person, other: Person) -> None:
    other.active, other.held, other.merged_into = change.active_before, change.held_before, None
    other.save(update_fields=["active", "held", "merged_into", "updated_at"])
    returned = Photo.objects.filter(public_id__in=change.returned, person=other)
    back = list(returned.values_list("pk", flat=True))
    _move(returned, None)
    moved = Photo.objects.filter(public_id__in=change.moved, person=person)
    theirs = Photo.objects.filter(person=other).values("original")
    _move(moved.exclude(original__in=theirs), other)
    _move(Photo.objects.filter(pk__in=back), person)
    refresh_templates(person)
    refresh_templates(other)
    if other.held == Held.CHECKING:
        await_admission([other])
    elif other.active:
        await_admission([other], Stage.AFTER)  # who came meanwhile could not find them


# --- Pieces ---------------------------------------------------------------------------------------


def _locked_pair(actor: Actor, person: Person, other: Person) -> tuple[Person, Person]:
    require(actor, person.gallery, Role.REVIEWER)
    if person.pk == other.pk:
        raise Unprocessable("These are the same person. Name two.", code="same_person")
    if person.gallery_id != other.gallery_id:
        raise Unprocessable(
            "These people are in two galleries, which know nothing of each other.",
            code="other_gallery",
        )
    people = lock_people([person.pk, other.pk])
    if len(people) < 2:  # noqa: PLR2004 - the two of a pair
        raise NotFound("person")
    return people[person.pk], people[other.pk]


def _locked(person: Person) -> Person:
    found = lock_people([person.pk]).get(person.pk)
    if found is None:
        raise NotFound("person")
    return found


def _check_free(*people: Person) -> None:
    for each in people:
        if each.merged_into is not None:
            raise Conflict(
                "They were merged into somebody else before. Name that one, or undo the merge.",
                code="merged",
                person=str(each.merged_into.public_id),
            )


def _photos_to_move(other: Person, person: Person) -> QuerySet[Photo]:
    """All but those of which the other has the same bytes."""
    known = Photo.objects.filter(person=person).values("original")
    return Photo.objects.filter(person=other).exclude(original__in=known)


def _swap_for_enrolled(other: Person, person: Person) -> dict[str, str]:
    """Of the same bytes under both, let the one who is kept have the photo that counts.

    Returns the photos that `person` got and, for each, the one that `other` got for it.
    """
    enrolled = Photo.objects.filter(person=other, state=PhotoState.ENROLLED)
    useless = Photo.objects.filter(person=person).exclude(state=PhotoState.ENROLLED)
    swapped = {}
    for good in enrolled.filter(original__in=useless.values("original")).order_by("pk"):
        bad = useless.get(original=good.original_id)
        _move(Photo.objects.filter(pk=good.pk), None)
        _move(Photo.objects.filter(pk=bad.pk), other)
        _move(Photo.objects.filter(pk=good.pk), person)
        swapped[str(good.public_id)] = str(bad.public_id)
    return swapped


def _check_not_asked(person: Person) -> None:
    asked = Review.objects.filter(person=person, kind=Kind.DUPLICATE, state=State.OPEN).first()
    if asked is not None:
        raise Conflict(
            "Reviewers are asked who this is. Decide the review.",
            code="in_review",
            review=str(asked.public_id),
        )


def _chosen_photos(person: Person, public_ids: Sequence[UUID]) -> QuerySet[Photo]:
    own = Photo.objects.filter(person=person)
    chosen = own.filter(public_id__in=public_ids)
    if chosen.count() < len(set(public_ids)):
        raise NotFound("photo")
    stays = own.filter(state=PhotoState.ENROLLED).exclude(public_id__in=public_ids).exists()
    given = person.templates.filter(given_faces__gt=0).exists()
    if not public_ids or not (stays or given):
        raise Unprocessable(
            "Name some of the person's photos, and leave at least one that is enrolled.",
            code="nothing_to_split",
        )
    return chosen


def _move(photos: QuerySet[Photo], to: Person | None) -> list[str]:
    """Give photos to another person, or for a moment to nobody; which they were."""
    moved = list(photos.select_for_update(of=("self",)).order_by("pk"))
    keys = [each.pk for each in moved]
    Photo.objects.filter(pk__in=keys).update(person=to, updated_at=timezone.now())
    if to is not None:
        # Whether they fit is asked of whom they are given to.
        asked = Review.objects.filter(photo__in=keys, kind=Kind.MISFIT)
        Candidate.objects.filter(review__in=asked.values("pk")).update(person=to)
        asked.update(person=to)
    return [str(each.public_id) for each in moved]


def _noted(actor: Actor, change: IdentityChange) -> IdentityChange:
    change.gallery, change.actor = change.person.gallery, str(actor)
    change.save()
    _record(actor, change.kind, change)
    return change


def _record(actor: Actor, act: str, change: IdentityChange) -> None:
    # Why stands in the change, which goes with the people: it may name them, and the log may not.
    record(
        actor,
        f"identity.{act}",
        f"person:{change.person.public_id}",
        change.gallery.public_id,
        other=str(change.other.public_id),
        change=str(change.public_id),
        photos=len(change.moved),
    )
