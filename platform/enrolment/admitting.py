"""Admitting somebody new: is there anybody like them among those enrolled?

Whoever gets a first template is held until they have been searched for (1:N), so that a second
entry for the same person is found before it is used. Two who come at the same moment can't find
each other in the index; so everybody is searched for once more when searches see them. Of two who
are alike then, the one who was admitted later is held.

The rows are the work: a task may die anywhere, run twice, or find Milvus away, and be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.actors import Actor, system
from audit.services import Entry, record_all
from common.queue import ADMIT_PEOPLE, enqueue_on_commit
from identification.searches import limit_figures
from people.locks import lock_people
from people.models import Gallery, Held, Person
from reviews.models import Kind, Verdict
from reviews.services import Question, Resembling, close, open_review
from reviews.settling import Said
from thresholds.deciding import Limits
from thresholds.models import Duplicates, Policy
from thresholds.selectors import calibration_of, limits, policy_of
from vectors.codec import decode_many
from vectors.errors import IndexUnavailable
from vectors.models import PersonTemplate
from vectors.selectors import Match, search
from vectors.services import touch_templates

from .models import Admission, Stage
from .selectors import kept_apart_from, most_kept_apart

logger = logging.getLogger(__name__)

ACTOR = system("admission")
# People searched for in one call of the index.
AT_ONCE = 256
# In which so many galleries somebody is asked for at once, in any order: each has its turn.
GALLERIES_AT_ONCE = 64
# How many who are alike are shown to a reviewer. One more is asked for: the person themselves.
MOST_ALIKE = 5
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


# --- In the transaction of an enrolment -----------------------------------------------------------


def begin_admission(people: Collection[Person]) -> None:
    """Hold some of a gallery who have just become able to be found, until they were searched for.

    Not where the gallery doesn't ask for it, nor where there is no calibration to judge by. The
    caller holds the people's rows.
    """
    if not people:
        return
    gallery = next(iter(people)).gallery
    policy = policy_of(gallery)
    if policy.duplicates == Duplicates.ALLOW or calibration_of(gallery, policy) is None:
        return
    hold(people, Held.CHECKING)
    await_admission(people)


def await_admission(people: Collection[Person], stage: Stage = Stage.BEFORE) -> None:
    """Leave it to a worker to search for them."""
    Admission.objects.bulk_create(
        [Admission(person=each, gallery_id=each.gallery_id, stage=stage) for each in people],
        update_conflicts=True,
        unique_fields=["person"],
        update_fields=["stage"],
    )
    enqueue_on_commit(ADMIT_PEOPLE)


def hold(people: Collection[Person], why: Held) -> None:
    """Keep some of a gallery out of searches. The caller holds the people's rows."""
    were_active = [each for each in people if each.active]
    _set(people, active=False, held=why)
    touch_templates(were_active)


def release(actor: Actor, people: Collection[Person]) -> None:
    """Let searches find some of a gallery who were held. The caller holds the people's rows."""
    _set(people, active=True, held="", admitted_at=timezone.now())
    touch_templates(people)
    record_all(actor, [_entry("person.admit", each) for each in people])


def _set(people: Collection[Person], **fields: Any) -> None:
    """The same of all of them, in the database and in hand."""
    for person in people:
        for name, value in fields.items():
            setattr(person, name, value)
    changed = Person.objects.filter(pk__in=[each.pk for each in people])
    changed.update(updated_at=timezone.now(), **fields)


# --- By the worker --------------------------------------------------------------------------------


def admit() -> bool:
    """Search for some who wait, and admit them or not; whether others wait still."""
    groups: dict[Gallery, list[Admission]] = {}
    for row in due():
        groups.setdefault(row.person.gallery, []).append(row)
    done = sum(_admit_group(gallery, group) for gallery, group in groups.items())
    return done > 0 and is_due()


def is_due() -> bool:
    """Whether anybody can be searched for now."""
    return Admission.objects.filter(stage=Stage.BEFORE).exists() or due().exists()


def due() -> QuerySet[Admission]:
    """Some who can be searched for now: those who are new, and those whom searches see since.

    Of each gallery so many as are searched for in one call, so that one whose index is away, or
    in which many wait, holds up no other. It costs the same however many wait.
    """
    waiting = Gallery.objects.filter(Exists(Admission.objects.filter(gallery=OuterRef("pk"))))
    keys = [pk for gallery in waiting.order_by("?")[:GALLERIES_AT_ONCE] for pk in _due_in(gallery)]
    rows = Admission.objects.filter(pk__in=keys).select_related("person__gallery")
    return rows.order_by("pk")


def _due_in(gallery: Gallery) -> list[int]:
    """The keys of those of a gallery who can be searched for now, who have waited longest."""
    rows = Admission.objects.filter(gallery=gallery).order_by("pk")
    new = rows.filter(stage=Stage.BEFORE).values_list("pk", flat=True)[:AT_ONCE]
    # While these aren't seen, hardly any after them is: the index is filled in the same order.
    after = rows.filter(stage=Stage.AFTER).values_list("pk", "person", "person__active")
    since = list(after[:AT_ONCE])
    # By their keys: asked in one statement with the rows, the database looks at all templates.
    theirs = PersonTemplate.objects.filter(
        person__in=[person for _, person, _ in since], model=gallery.model
    )
    known = set(theirs.values_list("person", flat=True))
    seen = set(theirs.searchable().values_list("person", flat=True))
    # Of whom nothing can be seen there is nothing to wait for.
    done = [
        pk for pk, person, active in since if person in seen or person not in known or not active
    ]
    return sorted([*new, *done])[:AT_ONCE]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A template as it was searched for, who is like it, and by which thresholds."""

    template_id: int
    version: int
    alike: list[Match]
    asked: Limits


@dataclass(frozen=True, slots=True)
class _Judging:
    """What a gallery asks, and the thresholds at its size."""

    policy: Policy
    asked: Limits

    def of(self, seen: _Seen | None) -> _Judging:
        """The same of somebody with a template of so many photos."""
        return _Judging(self.policy, seen.asked) if seen else self


def _admit_group(gallery: Gallery, rows: Sequence[Admission]) -> int:
    """Those of one gallery; how many were brought on."""
    policy, asked = policy_of(gallery), limits([gallery])
    try:
        seen = _look_for(gallery, rows, asked) if asked else {}
    except IndexUnavailable as error:
        logger.warning("%d people wait to be admitted: %s", len(rows), error.detail)
        return 0
    # Without a calibration, or where the gallery has changed its mind, they are let in.
    is_judged = asked and policy.duplicates != Duplicates.ALLOW
    judging = _Judging(policy, asked) if asked and is_judged else None
    alike = [row for row in rows if judging and _is_like_somebody(seen.get(row.person_id))]
    others = [row for row in rows if row not in alike]
    # Hardly anybody is like somebody: all others go together, which is much less work.
    done = _conclude(others, seen, judging)
    return done + sum(_conclude([row], seen, judging) for row in alike)


def _is_like_somebody(seen: _Seen | None) -> bool:
    return seen is not None and bool(seen.alike)


def _look_for(gallery: Gallery, rows: Sequence[Admission], asked: Limits) -> dict[int, _Seen]:
    """By person: whoever scores as high as a review wants, best first.

    Thresholds are for probes of one photo; a template that is fused of several scores higher with
    strangers, too, and has higher ones.
    """
    templates = list(
        PersonTemplate.objects.filter(
            person__in=[row.person_id for row in rows], model=gallery.model
        ).values_list("person_id", "pk", "version", "face_count", "vector")
    )
    probes = decode_many(bytes(vector) for *_, vector in templates)
    # Those who are somebody else for certain take nobody's place.
    apart = most_kept_apart(person_id for person_id, *_ in templates)
    matches = search([gallery], probes, MOST_ALIKE + 1 + apart)
    seen = {}
    counts = {photos for *_, photos, _ in templates}
    asked_of = {photos: asked.for_probe_of(photos) for photos in counts}
    for (person_id, pk, version, photos, _), found in zip(templates, matches, strict=True):
        own = asked_of[photos]
        seen[person_id] = _Seen(pk, version, _alike(person_id, found, own.review), own)
    return seen


def _alike(person_id: int, found: Sequence[Match], threshold: float) -> list[Match]:
    others = [each for each in found if each.person_id != person_id]
    return [each for each in others if each.score >= threshold]


@transaction.atomic
def _conclude(
    rows: Sequence[Admission], seen: Mapping[int, _Seen], judging: _Judging | None
) -> int:
    """The next step of some of a gallery; how many took it."""
    alike = {row.person_id: _alike_of(seen.get(row.person_id), judging) for row in rows}
    candidates = [each.person_id for found in alike.values() for each in found]
    people = lock_people([*alike, *candidates])
    rows = [row for row in _locked(rows) if row.person_id in people]
    if judging:
        changed = _changed([people[row.person_id] for row in rows], seen)
        rows = [row for row in rows if row.person_id not in changed]
    let_in = []
    for row in rows:
        person = people[row.person_id]
        still = _still_alike(person, alike[person.pk], people)
        if still and judging:
            row.delete()
            _judge(row, person, still, people, judging.of(seen.get(person.pk)))
        elif row.stage == Stage.BEFORE and person.held == Held.CHECKING:
            let_in.append(row)
    release(ACTOR, [people[row.person_id] for row in let_in])
    Admission.objects.filter(pk__in=[row.pk for row in let_in]).update(stage=Stage.AFTER)
    # Seen once more, merged, or decided by a person meanwhile.
    over = [row.pk for row in rows if row not in let_in]
    Admission.objects.filter(pk__in=over).delete()
    return len(rows)


def _alike_of(seen: _Seen | None, judging: _Judging | None) -> list[Match]:
    return seen.alike if seen and judging else []


def _locked(rows: Sequence[Admission]) -> list[Admission]:
    """Those that are as they were: a person may be erased, another worker faster."""
    stages = {row.pk: row.stage for row in rows}
    held = Admission.objects.select_for_update().filter(pk__in=stages).order_by("pk")
    return [row for row in held if row.stage == stages[row.pk]]


def _judge(
    row: Admission,
    person: Person,
    alike: Sequence[Match],
    people: dict[int, Person],
    judging: _Judging,
) -> None:
    """What becomes of somebody who is like others."""
    if row.stage == Stage.BEFORE and person.held == Held.CHECKING:
        _hold_as_duplicate(person, alike, judging)
    elif row.stage == Stage.AFTER and person.active:
        _look_again(person, alike, people, judging)


def _changed(people: Sequence[Person], seen: Mapping[int, _Seen]) -> set[int]:
    """Those who have another template than was searched for: they are searched for anew."""
    if not people:
        return set()
    now = PersonTemplate.objects.filter(person__in=people, model=people[0].gallery.model)
    found = {
        person: (pk, version) for person, pk, version in now.values_list("person", "pk", "version")
    }
    known = {pk: (each.template_id, each.version) for pk, each in seen.items()}
    return {each.pk for each in people if found.get(each.pk) != known.get(each.pk)}


def _still_alike(person: Person, alike: Sequence[Match], people: dict[int, Person]) -> list[Match]:
    """Those who can be found still, and of whom nobody has said that they are somebody else."""
    apart = kept_apart_from(person) if alike else set()
    found = [each for each in alike if each.person_id in people]
    still = [each for each in found if people[each.person_id].active]
    return [each for each in still if each.person_id not in apart][:MOST_ALIKE]


def _look_again(
    person: Person, alike: Sequence[Match], people: dict[int, Person], judging: _Judging
) -> None:
    """The second look, at those who came at the same time: the later of two is held."""
    earlier = [each for each in alike if _order(people[each.person_id]) < _order(person)]
    if earlier:
        _hold_as_duplicate(person, earlier, judging)
        return
    for each in alike:
        same = Match(each.template_id, person.pk, each.score)
        _hold_as_duplicate(people[each.person_id], [same], judging)


def _order(person: Person) -> tuple[datetime, int]:
    """Who was admitted first; those who came without being searched for before all others."""
    return person.admitted_at or _LONG_AGO, person.pk


def _hold_as_duplicate(person: Person, alike: Sequence[Match], judging: _Judging) -> None:
    """Keep somebody out of searches because of those they are like, as the policy says."""
    policy, asked = judging.policy, judging.asked
    refused = policy.duplicates == Duplicates.BLOCK
    hold([person], Held.REFUSED if refused else Held.DUPLICATE)
    review = open_review(
        Question(
            kind=Kind.DUPLICATE,
            gallery=person.gallery,
            person=person,
            model=person.gallery.model,
            searched=asked.searched,
            thresholds=limit_figures(asked),
            reviewers=policy.reviewers,
            candidates=[
                Resembling(each.person_id, each.score, asked.stranger_rate(each.score))
                for each in alike
            ],
        )
    )
    if refused:
        close(ACTOR, review, Said(Verdict.SAME, alike[0].person_id))
    _record(ACTOR, "person.hold", person, held=person.held, review=str(review.public_id))


def _record(actor: Actor, action: str, person: Person, **details: str) -> None:
    record_all(actor, [_entry(action, person, **details)])


def _entry(action: str, person: Person, **details: str) -> Entry:
    return Entry(action, f"person:{person.public_id}", person.gallery.public_id, details)
