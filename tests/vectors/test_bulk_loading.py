"""Ready-made templates: every row is loaded or refused with a reason, once, whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from audit.models import AuditEntry
from common.errors import Forbidden, Unprocessable
from people.models import DEFAULT_MODEL, Gallery, Held, Person, Role
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, actor, template
from tests.fixtures import rows, settle
from vectors import milvus
from vectors.bulk import loading, reserving
from vectors.bulk.errors import Overtaken
from vectors.errors import IndexUnavailable
from vectors.milvus import Entries
from vectors.models import (
    ActiveIndex,
    IndexGeneration,
    IndexSpan,
    PersonTemplate,
    VectorImport,
    VectorOutbox,
)
from vectors.selectors import search

from .bulk_files import Heard, ids, loaded, parquet, sums, units

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(gallery: Gallery, indexed: str) -> Gallery:
    """A gallery whose index takes entries."""
    settle(gallery)
    return gallery


def generation(gallery: Gallery) -> IndexGeneration:
    return ActiveIndex.objects.get(gallery=gallery).generation


def held(gallery: Gallery) -> dict[int, int]:
    """What Milvus holds: gallery by template."""
    return dict(milvus.list_entries(generation(gallery).collection))


def stored(gallery: Gallery) -> dict[str, bytes]:
    """Every template of a gallery, by the person's external id."""
    found = PersonTemplate.objects.filter(person__gallery=gallery)
    return {
        key: bytes(vector) for key, vector in found.values_list("person__external_id", "vector")
    }


def expected(vectors: Any, names: list[str]) -> dict[str, bytes]:
    return {name: vector.tobytes() for name, vector in zip(names, vectors, strict=True)}


def agrees(gallery: Gallery) -> bool:
    """Whether Milvus holds exactly the gallery's templates, and nothing is noted any more."""
    ours = set(PersonTemplate.objects.filter(person__gallery=gallery).values_list("pk", flat=True))
    noted = IndexSpan.objects.exists() or VectorOutbox.objects.exists()
    return held(gallery).keys() == ours and not noted


def test_new_people_are_in_the_database_and_found_at_once(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(25)
    path = parquet(
        tmp_path / "t.parquet",
        vectors,
        name=[f"Name {n}" for n in range(25)],
        metadata=[json.dumps({"row": n}) for n in range(25)],
        face_count=list(range(1, 26)),
    )
    heard = Heard()

    result = loaded(SYSTEM, ready, path, heard, chunk_rows=10)

    assert sums(result) == (25, 0, 0, 0)
    assert (heard.places, result.finished, result.left_to_worker) == ([10, 20, 25], True, 0)
    assert stored(ready) == expected(vectors, ids(25))
    person = Person.objects.get(external_id="id-00007")
    assert (person.name, person.metadata, person.notes) == ("Name 7", {"row": 7}, "")
    assert (person.active, person.public_id.version) == (True, 7)
    made = person.templates.get()
    assert (made.face_count, made.given_faces, made.given_vector) == (8, 8, None)
    assert (made.version, made.model) == (1, DEFAULT_MODEL)
    assert agrees(ready)
    assert set(held(ready).values()) == {ready.pk}
    (found,) = search([ready], vectors[7:8], 1)
    assert (found[0].person_id, round(found[0].score, 6)) == (person.pk, 1.0)


def test_the_same_file_again_changes_nothing(ready: Gallery, tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", units(25))
    loaded(SYSTEM, ready, path, chunk_rows=10)
    before = rows()

    again = loaded(SYSTEM, ready, path, chunk_rows=10)

    assert sums(again) == (0, 0, 25, 0)
    after = rows()
    assert after["people.Person"] == before["people.Person"]
    assert after["vectors.PersonTemplate"] == before["vectors.PersonTemplate"]
    assert VectorImport.objects.count() == 1
    assert agrees(ready)


def test_ids_go_on_after_those_of_a_load(ready: Gallery, tmp_path: Path) -> None:
    loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", units(5)))
    newest = PersonTemplate.objects.order_by("-pk")[0]

    person = PersonFactory(gallery=ready)

    assert person.pk > newest.person_id
    assert template(person).pk > newest.pk


def test_it_stops_after_the_chunk_in_hand_and_goes_on_there(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(25)
    path = parquet(tmp_path / "t.parquet", vectors, row_group_size=7)

    first = loaded(SYSTEM, ready, path, Heard(stop_after=1), chunk_rows=10)
    assert (sums(first), first.record.next_row, first.finished) == ((10, 0, 0, 0), 10, False)

    heard = Heard()
    second = loaded(SYSTEM, ready, path, heard, chunk_rows=10)
    assert (sums(second), heard.places) == ((25, 0, 0, 0), [20, 25])
    assert stored(ready) == expected(vectors, ids(25))
    assert agrees(ready)
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "vectors.import", "vectors.import_stop", "vectors.import", "vectors.import_end",
    ]  # fmt: skip
    end = AuditEntry.objects.latest("id")
    assert (end.gallery, end.target) == (
        ready.public_id, f"vector_import:{second.record.public_id}",
    )  # fmt: skip
    assert end.details == {
        "rows": 25, "next_row": 25, "created": 25, "updated": 0, "unchanged": 0, "refused": 0,
    }  # fmt: skip


def test_known_people(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(6)
    bare = PersonFactory(gallery=ready, external_id="bare")
    away = PersonFactory(gallery=ready, external_id="away", active=False)
    PersonFactory(external_id="new")  # of another gallery
    nameless = PersonFactory(gallery=ready)
    path = parquet(
        tmp_path / "t.parquet",
        vectors,
        ["bare", "away", "new", None, " spaced ", ""],
        person=[None, "", str(away.public_id), str(nameless.public_id), None,
                "0190cafe-0000-7000-8000-000000000000"],
    )  # fmt: skip
    heard = Heard()

    result = loaded(SYSTEM, ready, path, heard)

    assert heard.codes == [(3, "other_person")]
    assert sums(result) == (2, 3, 0, 1)
    assert stored(ready) == {
        "bare": vectors[0].tobytes(),
        "away": vectors[1].tobytes(),
        "": vectors[3].tobytes(),
        "spaced": vectors[4].tobytes(),
        # Nobody of the gallery: this id is all that the file has to call them by.
        "0190cafe-0000-7000-8000-000000000000": vectors[5].tobytes(),
    }
    hidden = away.templates.get().pk
    assert hidden not in held(ready)
    assert bare.templates.get().pk in held(ready)
    assert sums(loaded(SYSTEM, ready, path)) == (0, 0, 5, 1)


def test_another_template_is_replaced_only_if_told_to(ready: Gallery, tmp_path: Path) -> None:
    old, new = units(4), units(4, seed=1)
    loaded(SYSTEM, ready, parquet(tmp_path / "old.parquet", old))
    photographed = PersonTemplate.objects.get(person__external_id="id-00001")
    PersonTemplate.objects.filter(pk=photographed.pk).update(given_faces=0)
    mixed = np.concatenate([old[:1], new[1:]])
    path = parquet(tmp_path / "new.parquet", mixed, face_count=[9] * 4)

    heard = Heard()
    assert sums(loaded(SYSTEM, ready, path, heard)) == (0, 0, 1, 3)
    assert heard.codes == [(2, "made_from_photos"), (3, "has_template"), (4, "has_template")]
    assert "--update" in heard.refusals[1].reason
    assert stored(ready) == expected(old, ids(4))

    heard = Heard()
    assert sums(loaded(SYSTEM, ready, path, heard, update=True)) == (0, 2, 1, 1)
    assert heard.codes == [(2, "made_from_photos")]
    assert stored(ready) == expected([old[0], old[1], new[2], new[3]], ids(4))
    replaced = PersonTemplate.objects.get(person__external_id="id-00003")
    assert (replaced.version, replaced.face_count, replaced.given_faces) == (2, 9, 9)
    assert VectorOutbox.objects.count() == 2

    settle(ready)
    assert agrees(ready)
    (found,) = milvus.get(generation(ready).collection, [replaced.pk]).vectors
    assert np.allclose(found, new[3], atol=1e-6)


def test_bad_rows_are_told_and_the_rest_is_loaded(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(12)
    names = ids(12)
    vectors[1, 5] = np.nan
    vectors[2, 5] = np.inf
    vectors[3] = 0
    vectors[4] *= 1.01
    names[6] = names[0]  # in the same chunk
    names[11] = names[0]  # in a later one
    path = parquet(tmp_path / "t.parquet", vectors, names)
    heard = Heard()

    result = loaded(SYSTEM, ready, path, heard, chunk_rows=8)

    assert heard.codes == [
        (2, "not_finite"), (3, "not_finite"), (4, "zero_length"), (5, "not_unit_length"),
        (7, "duplicate"), (12, "duplicate"),
    ]  # fmt: skip
    assert "1.01" in heard.refusals[3].reason
    assert "Row 1 " in heard.refusals[5].reason
    assert sums(result) == (6, 0, 0, 6)
    good = [0, 5, 7, 8, 9, 10]
    assert stored(ready) == expected(vectors[good], [ids(12)[n] for n in good])
    assert agrees(ready)


def test_a_repeated_id_of_another_chunk_is_no_update(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(4)
    path = parquet(tmp_path / "t.parquet", vectors, ["a", "b", "c", "a"])
    heard = Heard()

    loaded(SYSTEM, ready, path, heard, chunk_rows=2, update=True)

    assert heard.codes == [(4, "duplicate")]
    assert stored(ready)["a"] == vectors[0].tobytes()


def test_vectors_are_normalised_on_request(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(3)
    longer = vectors.copy()
    longer[1] *= 17
    heard = Heard()

    result = loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", longer), heard, normalise=True)

    assert (sums(result), heard.codes) == ((3, 0, 0, 0), [])
    assert stored(ready)["id-00000"] == vectors[0].tobytes()
    made = np.frombuffer(stored(ready)["id-00001"], "<f4")
    assert np.allclose(made, vectors[1], atol=1e-7)


def test_templates_of_another_model(ready: Gallery, tmp_path: Path) -> None:
    silent = parquet(tmp_path / "silent.parquet", units(1), model=None)
    other = parquet(tmp_path / "other.parquet", units(1), model="yunet-sface")
    before = rows()

    for path, model, code in [
        (silent, "", "other_model"),
        (silent, "haar-dlib-resnet", "other_model"),
        (silent, "nonsense", "unknown_model"),
        (other, DEFAULT_MODEL, "other_model"),
        (other, "", "unknown_model"),
    ]:
        with pytest.raises(Unprocessable) as caught:
            loaded(SYSTEM, ready, path, model=model)
        assert caught.value.code == code
    assert rows() == before

    assert sums(loaded(SYSTEM, ready, silent, model=DEFAULT_MODEL)) == (1, 0, 0, 0)


def test_only_operators_load(ready: Gallery, tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", units(1))
    viewer, operator = actor(ready, Role.VIEWER), actor(ready, Role.OPERATOR)
    before = rows()
    with pytest.raises(Forbidden):
        loaded(viewer, ready, path)
    assert rows() == before
    assert sums(loaded(operator, ready, path)) == (1, 0, 0, 0)


def test_milvus_away_leaves_the_rest_to_the_index_worker(
    ready: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise IndexUnavailable("away")

    path = parquet(tmp_path / "t.parquet", units(7))
    monkeypatch.setattr(milvus, "insert", away)
    result = loaded(SYSTEM, ready, path, chunk_rows=4)
    monkeypatch.undo()

    assert (sums(result), result.left_to_worker) == ((7, 0, 0, 0), 7)
    spans = IndexSpan.objects.filter(loading_until__isnull=False)
    assert spans.count() == 2  # the worker waits for what may still arrive
    spans.update(loading_until=None)
    settle(ready)
    assert agrees(ready)


def test_other_generations_are_left_to_the_index_worker(ready: Gallery, tmp_path: Path) -> None:
    from vectors.generations import make_generation

    second = make_generation(DEFAULT_MODEL, [ready])
    settle(ready)

    result = loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", units(4)))

    assert result.left_to_worker == 0
    (span,) = IndexSpan.objects.all()
    assert (span.generation, span.loading_until) == (second, None)
    settle(ready)
    assert agrees(ready)
    assert dict(milvus.list_entries(second.collection)) == held(ready)


def test_a_span_that_a_worker_took_over_begins_the_chunk_anew(
    ready: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = milvus.insert, []

    def slow(collection: Any, entries: Entries) -> None:
        real(collection, entries)
        times.append(len(entries))

    def taken_over(*args: Any, **kwargs: Any) -> None:
        if len(times) == 1:
            IndexSpan.objects.update(loading_until=None)
        settle_really(*args, **kwargs)

    settle_really = reserving.settle
    monkeypatch.setattr(milvus, "insert", slow)
    monkeypatch.setattr(loading, "settle", taken_over)

    result = loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", units(4)))

    assert (sums(result), times) == ((4, 0, 0, 0), [4, 4])
    assert len(held(ready)) == 8
    IndexSpan.objects.update(loading_until=None)
    settle(ready)  # what the first attempt left
    assert agrees(ready)


def test_somebody_enrolled_meanwhile_is_matched_anew(
    ready: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loading.reserve

    def reserve(*args: Any) -> Any:
        Person.objects.get_or_create(gallery=ready, external_id="id-00002")
        return real(*args)

    monkeypatch.setattr(loading, "reserve", reserve)
    result = loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", units(4)))

    assert sums(result) == (3, 1, 0, 0)
    assert len(held(ready)) == 8  # what the first attempt sent, too, until its span is due
    settle(ready)
    assert len(held(ready)) == 8
    IndexSpan.objects.update(loading_until=timezone.now())
    settle(ready)
    assert agrees(ready)


def test_two_loads_of_one_file(
    ready: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path / "t.parquet", units(4))
    real = loading.reserve

    def reserve(*args: Any) -> Any:
        monkeypatch.undo()
        loaded(SYSTEM, ready, path)
        return real(*args)

    monkeypatch.setattr(loading, "reserve", reserve)
    with pytest.raises(Overtaken, match="Another process"):
        loaded(SYSTEM, ready, path)

    assert VectorImport.objects.get().created == 4
    IndexSpan.objects.update(loading_until=None)
    settle(ready)
    assert agrees(ready)


def test_an_empty_file(ready: Gallery, tmp_path: Path) -> None:
    result = loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", []))
    assert (sums(result), result.finished) == ((0, 0, 0, 0), True)


def test_a_gallery_without_an_index_gets_one(indexed: str, tmp_path: Path) -> None:
    fresh = GalleryFactory()
    result = loaded(SYSTEM, fresh, parquet(tmp_path / "t.parquet", units(4)))
    assert (sums(result), result.left_to_worker) == ((4, 0, 0, 0), 0)
    assert agrees(fresh)


def test_a_row_for_somebody_merged_is_refused(ready: Gallery, tmp_path: Path) -> None:
    """Their template would count for the one who is left, without anybody having looked."""
    person = PersonFactory(gallery=ready, external_id="left")
    template(person, 1)
    other = PersonFactory(gallery=ready, external_id="id-00000")
    given = template(PersonFactory(gallery=ready, external_id="id-00001"), 2)
    PersonTemplate.objects.filter(pk=given.pk).update(given_faces=1)
    Person.objects.filter(external_id__startswith="id-").update(
        active=False, held=Held.MERGED, merged_into=person
    )
    before = stored(ready)

    heard = Heard()
    path = parquet(tmp_path / "t.parquet", units(3))
    result = loaded(SYSTEM, ready, path, heard, update=True)

    assert heard.codes == [(1, "merged"), (2, "merged")]
    assert sums(result) == (1, 0, 0, 2)
    assert stored(ready) == {**before, "id-00002": units(3)[2].tobytes()}
    assert not other.templates.exists()


@pytest.mark.parametrize("why", [Held.CHECKING, Held.DUPLICATE, Held.REFUSED])
def test_rows_for_somebody_held_are_loaded_and_not_found(
    ready: Gallery, tmp_path: Path, why: Held
) -> None:
    known = [PersonFactory(gallery=ready, external_id=each) for each in ids(2)]
    given = template(known[1], 9)
    PersonTemplate.objects.filter(pk=given.pk).update(given_faces=1)
    Person.objects.filter(gallery=ready).update(active=False, held=why)
    settle(ready)
    vectors = units(3)

    result = loaded(SYSTEM, ready, parquet(tmp_path / "t.parquet", vectors), update=True)

    assert sums(result) == (1, 2, 0, 0)
    assert stored(ready) == expected(vectors, ids(3))
    settle(ready)
    found = {PersonTemplate.objects.get(pk=pk).person.external_id for pk in held(ready)}
    assert found == {"id-00002"}
    for person in known:
        person.refresh_from_db()
        assert (person.active, person.held) == (False, why)
    matches = search([ready], vectors, 3)
    assert [len(each) for each in matches] == [1, 1, 1]
