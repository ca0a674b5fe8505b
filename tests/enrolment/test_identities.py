"""Who turned out to be whom: merged, split, kept apart, and each of it undone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AuditEntry
from common.errors import Conflict, Forbidden, NotFound, Problem, Unprocessable
from enrolment import ledger
from enrolment.fusion import refresh_templates
from enrolment.identities import keep_apart, merge, split, undo
from enrolment.models import Erasure, IdentityChange
from enrolment.selectors import changes_of, kept_apart_from
from enrolment.services import erase, set_active
from people.models import Gallery, Held, Person, Role
from photos.intake import examine
from photos.models import Face, Photo
from photos.services import receive
from tests import factories
from tests.conftest import Lfw
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, face, unit
from tests.fixtures import rows, settle, store
from vectors.codec import decode, encode, fuse
from vectors.models import PersonTemplate
from vectors.selectors import search

from .people import counting, vectors, with_photos

pytestmark = pytest.mark.django_db


class Sort(NamedTuple):
    """What somebody was enrolled with: photos by the seeds of their faces, and a template brought
    ready-made, by its seed, of so many faces."""

    seeds: list[int]
    brought: tuple[int, int] | None


# Few, so that two people often have the same photo.
numbers = st.integers(0, 12)
sorts = st.builds(
    Sort,
    st.lists(numbers, max_size=4, unique=True),
    st.none() | st.tuples(numbers, st.integers(1, 9)),
).filter(lambda each: each.seeds or each.brought)


def somebody(gallery: Gallery, seeds: list[int], brought: tuple[int, int] | None) -> Person:
    person = PersonFactory(gallery=gallery)
    if brought:
        PersonTemplate.objects.create(
            person=person, model=gallery.model, vector=encode(unit(brought[0])),
            face_count=brought[1], given_faces=brought[1],
        )  # fmt: skip
    for seed in seeds:
        known = Photo.objects.filter(faces__vector=encode(unit(seed)), gallery=gallery).first()
        if known is None:
            face(person, seed)
        else:
            same_photo(person, known, seed)
    refresh_templates(person)
    return person


def same_photo(person: Person, known: Photo, seed: int) -> Photo:
    """A photo of the same bytes as another person's."""
    photo = Photo.objects.create(
        gallery=known.gallery, person=person, original=known.original, state="enrolled"
    )
    Face.objects.create(
        photo=photo, x=0, y=0, width=9, height=9, landmarks=[], detector_score=1,
        vector=encode(unit(seed)), model=known.gallery.model,
    )  # fmt: skip
    return photo


def everything(gallery: Gallery) -> tuple[list[tuple[Any, ...]], ...]:
    """All that templates are made of and what they are, but for their versions and keys."""
    templates = PersonTemplate.objects.filter(person__gallery=gallery).values_list(
        "person", "model", "vector", "face_count", "given_faces", "given_vector"
    )
    photos = gallery.photos.values_list("pk", "person", "state", "faces__template__person")
    people = gallery.people.values_list("pk", "active", "held", "merged_into")
    return (
        [tuple(map(_plain, row)) for row in templates.order_by("person")],
        list(photos.order_by("pk")),
        list(people.order_by("pk")),
    )


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def template_of(person: Person) -> PersonTemplate:
    return PersonTemplate.objects.get(person=person)


def test_a_merge_gives_one_person_all_photos_and_undoing_it_gives_them_back(
    gallery: Gallery,
) -> None:
    person, other = with_photos(gallery, 1, 2), with_photos(gallery, 3)
    before, counted = vectors(), counting()

    change = merge(SYSTEM, person, other, reason="seen twice")

    other.refresh_from_db()
    assert (other.active, other.held, other.merged_into) == (False, Held.MERGED, person)
    assert not PersonTemplate.objects.filter(person=other).exists()
    fused = fuse(np.stack([unit(1), unit(2), unit(3)]))
    np.testing.assert_allclose(decode(bytes(template_of(person).vector)), fused, atol=1e-7)
    assert template_of(person).face_count == 3
    assert Photo.objects.filter(person=person).count() == 3
    (entry,) = AuditEntry.objects.filter(action="identity.merge")
    assert entry.details == {
        "other": str(other.public_id), "change": str(change.public_id), "photos": 1,
    }  # fmt: skip

    undo(SYSTEM, change, reason="a mistake")

    other.refresh_from_db()
    assert (other.active, other.held, other.merged_into) == (True, "", None)
    assert vectors() == before
    assert {face for face, _ in counting()} == {face for face, _ in counted}
    assert Photo.objects.get(person=other).faces.get().template == template_of(other)
    (kept,) = changes_of(other)
    assert (kept.reason, kept.undone_because) == ("seen twice", "a mistake")
    assert (kept.undone_at is not None, kept.undone_by) == (True, "system:tests")
    with pytest.raises(Conflict) as again:
        undo(SYSTEM, change)
    assert again.value.code == "undone"


@pytest.mark.usefixtures("indexed")
def test_searches_follow_a_merge_and_its_undoing(gallery: Gallery) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    settle(gallery)

    def found() -> list[tuple[int, float]]:
        (matches,) = search([gallery], unit(2)[None], 5)
        return [(each.person_id, round(each.score, 5)) for each in matches]

    before = found()
    assert before[0] == (other.pk, 1.0)
    change = merge(SYSTEM, person, other)
    # At once, and when the index has followed.
    assert [pk for pk, _ in found()] == [person.pk]
    settle(gallery)
    ((pk, score),) = found()
    assert pk == person.pk
    assert 0.5 < score < 0.9
    undo(SYSTEM, change)
    settle(gallery)
    assert found() == before


def test_what_came_after_a_merge_stays_with_the_one_who_is_left(gallery: Gallery) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    change = merge(SYSTEM, person, other)
    face(person, 3)
    undo(SYSTEM, change)
    assert Photo.objects.filter(person=person).count() == 2
    assert Photo.objects.filter(person=other).count() == 1
    assert template_of(person).face_count == 2


def test_the_same_photo_of_both_counts_once(gallery: Gallery) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    twice = same_photo(other, Photo.objects.get(person=person), 1)
    change = merge(SYSTEM, person, other)
    assert template_of(person).face_count == 2
    assert Photo.objects.get(person=other) == twice
    undo(SYSTEM, change)
    assert template_of(other).face_count == 2


def test_templates_brought_ready_made_are_merged_too(gallery: Gallery) -> None:
    person, other = PersonFactory(gallery=gallery), with_photos(gallery, 2)
    for each, seed in ((person, 1), (other, 4)):
        PersonTemplate.objects.filter(person=each).delete()
        PersonTemplate.objects.create(
            person=each, model=gallery.model, vector=encode(unit(seed)), face_count=3,
            given_faces=3,
        )  # fmt: skip
    before = vectors()
    change = merge(SYSTEM, person, other)
    fused = fuse(np.stack([unit(2), unit(1), unit(4)]), [1, 3, 3])
    np.testing.assert_allclose(decode(bytes(template_of(person).vector)), fused, atol=1e-6)
    assert bytes(template_of(person).given_vector or b"") == encode(unit(1))
    undo(SYSTEM, change)
    assert vectors()[person.pk] == before[person.pk]
    assert template_of(other).face_count == 4


def test_a_chain_of_merges_is_undone_from_its_end(gallery: Gallery) -> None:
    first, second, third = (with_photos(gallery, seed) for seed in (1, 2, 3))
    inner = merge(SYSTEM, second, third)
    outer = merge(SYSTEM, first, second)
    assert template_of(first).face_count == 3
    with pytest.raises(Conflict) as refused:
        undo(SYSTEM, inner)
    assert (refused.value.code, refused.value.members["person"]) == (
        "merged", str(first.public_id),
    )  # fmt: skip
    undo(SYSTEM, outer)
    assert template_of(second).face_count == 2
    undo(SYSTEM, inner)
    assert [template_of(each).face_count for each in (first, second, third)] == [1, 1, 1]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(sorts, min_size=2, max_size=4), st.data())
def test_merges_undone_leave_every_template_as_it_was_to_the_last_bit(
    db: None, people: list[Sort], data: st.DataObject
) -> None:
    """Any people, merged in any order into whom one likes, and undone from the last."""
    gallery = GalleryFactory()
    left = [somebody(gallery, *each) for each in people]
    states, changes = [everything(gallery)], []
    while len(left) > 1 and (not changes or data.draw(st.booleans())):
        person, other = data.draw(st.permutations(left))[:2]
        changes.append(merge(SYSTEM, person, other))
        left.remove(other)
        states.append(everything(gallery))
    for change in reversed(changes):
        assert everything(gallery) == states.pop()
        undo(SYSTEM, change)
    assert [everything(gallery)] == states


def test_what_cannot_be_merged(gallery: Gallery) -> None:
    person, other, third = (with_photos(gallery, seed) for seed in (1, 2, 3))
    stranger = PersonFactory(gallery=GalleryFactory())
    merge(SYSTEM, third, PersonFactory(gallery=gallery))
    held = PersonFactory(gallery=gallery, active=False, held=Held.DUPLICATE)
    keep_apart(SYSTEM, person, third)
    merged = IdentityChange.objects.filter(kind="merge").get().other
    before = rows()
    for pair, kind, code in (
        ((person, person), Unprocessable, "same_person"),
        ((person, stranger), Unprocessable, "other_gallery"),
        ((person, merged), Conflict, "merged"),
        ((merged, person), Conflict, "merged"),
        ((held, other), Conflict, "held"),
        ((person, third), Conflict, "kept_apart"),
        ((third, person), Conflict, "kept_apart"),
    ):
        with pytest.raises(kind) as refused:
            merge(SYSTEM, *pair)
        assert refused.value.code == code
    for role, error in ((Role.OPERATOR, Forbidden), (None, NotFound)):
        who = factories.actor(gallery if role else GalleryFactory(), role or Role.ADMIN)
        for act in (merge, keep_apart):
            with pytest.raises(error):
                act(who, person, other)
    after = rows()
    for table in ("people.Person", "photos.Photo", "vectors.PersonTemplate", "audit.AuditEntry",
                  "enrolment.IdentityChange"):  # fmt: skip
        assert after[table] == before[table]


def test_some_photos_become_somebody_else_and_can_come_back(gallery: Gallery) -> None:
    person = with_photos(gallery, 1, 2, 3)
    wrong = Photo.objects.get(faces__vector=encode(unit(3)))
    before = vectors()

    change = split(SYSTEM, person, [wrong.public_id], name="Another", external_id="x-1")

    other = change.other
    assert (other.name, other.external_id, other.active, other.held) == ("Another", "x-1", True, "")
    assert bytes(template_of(other).vector) == encode(unit(3))
    assert template_of(person).face_count == 2
    assert kept_apart_from(person) == {other.pk}
    undo(SYSTEM, change)
    assert vectors() == before
    other.refresh_from_db()
    assert (other.held, other.merged_into, kept_apart_from(person)) == ("merged", person, set())
    assert [each.kind for each in changes_of(person)] == ["merge", "split"]


def test_a_split_leaves_somebody_behind(gallery: Gallery) -> None:
    person, other = with_photos(gallery, 1, 2), with_photos(gallery, 3)
    ids = list(Photo.objects.filter(person=person).values_list("public_id", flat=True))
    theirs = Photo.objects.get(person=other).public_id
    count = Person.objects.count()
    for photos, code in ((ids, "nothing_to_split"), ([], "nothing_to_split"),
                         ([ids[0], theirs], "not_found")):  # fmt: skip
        with pytest.raises(Problem) as refused:
            split(SYSTEM, person, photos)
        assert refused.value.code == code
    assert Person.objects.count() == count


@pytest.mark.usefixtures("media")
def test_whoever_was_merged_is_left_alone(gallery: Gallery, lfw: Lfw) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    merge(SYSTEM, person, other)
    other.refresh_from_db()
    data = lfw.bytes("Winona_Ryder")
    for act in (
        lambda: receive(SYSTEM, gallery, other, examine(data)),
        lambda: set_active(SYSTEM, other, active=True),
        lambda: erase(SYSTEM, other),
    ):
        with pytest.raises(Conflict):
            act()
    assert store(person, data).person == person


def test_erasing_somebody_erases_all_who_were_merged_into_them(gallery: Gallery) -> None:
    first, second, third = (with_photos(gallery, seed) for seed in (1, 2, 3))
    merge(SYSTEM, second, third)
    merge(SYSTEM, first, second)
    ids = {each.public_id for each in (first, second, third)}
    erasure = erase(SYSTEM, first)
    assert erasure.person == first.public_id
    assert set(Erasure.objects.values_list("person", flat=True)) == ids
    assert not Person.objects.filter(gallery=gallery).exists()
    assert not Photo.objects.filter(gallery=gallery).exists()
    assert not IdentityChange.objects.exists()
    assert not PersonTemplate.objects.exists()


def test_a_backup_from_the_time_of_a_merge_brings_nobody_back(gallery: Gallery) -> None:
    """Erased by themselves later; the older database has their photos with another."""
    first, second, third = (with_photos(gallery, seed) for seed in (1, 2, 3))
    merge(SYSTEM, second, third)
    merge(SYSTEM, first, second)
    Erasure.objects.create(
        person=third.public_id, gallery=gallery.public_id, actor="a", photos=1, templates=1
    )
    assert ledger.replay().erased == 1
    assert not Person.objects.filter(pk=third.pk).exists()
    assert not Face.objects.filter(vector=encode(unit(3))).exists()
    assert {bytes(each.vector) for each in PersonTemplate.objects.all()} == {
        encode(unit(1)), encode(unit(2)),
    }  # fmt: skip
