"""The ledger apart from the database, and its replay: nobody erased comes back."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.actors import Actor
from audit.models import AuditEntry
from common.ids import new_id
from enrolment import ledger, ledger_file
from enrolment.fusion import refresh_templates
from enrolment.identities import merge, split
from enrolment.ledger import replay, sync
from enrolment.ledger_file import LedgerError, Line
from enrolment.models import Erasure
from enrolment.services import erase
from people.models import Gallery, Person
from photos.models import Face, Photo
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory, unit
from tests.fixtures import enrol, files, store
from vectors.codec import encode
from vectors.models import PersonTemplate
from workers.maintenance import tidy

from .people import with_photos

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def file(tmp_path: Path, settings: Any) -> Path:
    settings.LEDGER_FILE = tmp_path / "elsewhere" / "erasures.jsonl"
    return Path(settings.LEDGER_FILE)


def line(person: UUID | None = None) -> Line:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Line(person or uuid4(), uuid4(), at, "user:somebody", 2, 1, (7,), (uuid4(),))


def come_back(person: Person) -> None:
    """As an older database would bring them back: the row, and no memory of the erasure."""
    Erasure.objects.all().delete()
    person.pk = None
    person.save(force_insert=True)


# --- The file ---


def test_an_erasure_stands_in_the_file_once_it_is_committed(
    file: Path, gallery: Gallery, lfw: Lfw, committed: Any
) -> None:
    person = PersonFactory(gallery=gallery)
    (photo,) = enrol(person, lfw.bytes("Donald_Rumsfeld", 1))

    with committed():
        erase(SYSTEM, person)
        assert not file.exists()

    row = Erasure.objects.get()
    assert json.loads(file.read_text()) == {
        "person": str(person.public_id),
        "gallery": str(gallery.public_id),
        "at": row.at.isoformat(),
        "actor": "system:tests",
        "photos": 1,
        "templates": 1,
        "template_ids": row.template_ids,
        "photo_ids": [str(photo.public_id)],
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert ledger_file.read(file) == [ledger_file.line_of(row)]


@pytest.mark.usefixtures("file")
def test_a_file_that_takes_nothing_leaves_the_erasure_and_is_tried_again(
    file: Path, person: Person, committed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.parent.mkdir(exist_ok=True)
    file.parent.write_text("no folder")

    with committed(), caplog.at_level(logging.ERROR, logger="enrolment"):
        erase(SYSTEM, person)

    assert "stands in the database but not in" in caplog.text
    assert Erasure.objects.count() == 1
    file.parent.unlink()
    tidy()
    assert [each.person for each in ledger_file.read(file)] == [person.public_id]


def test_a_full_disk_leaves_no_half_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger_file.append([line()], file)
    before = file.read_bytes()
    write = ledger_file.os.write

    def full(handle: int, data: Any) -> int:
        if len(data) > 20:
            return write(handle, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_file.os, "write", full)
        with pytest.raises(LedgerError, match="No space left"):
            ledger_file.append([line()], file)

    assert file.read_bytes() == before


def test_nobody_is_written_twice(file: Path) -> None:
    first, second = line(), line()

    assert ledger_file.append([first, replace(first, photos=9)], file) == 1
    assert ledger_file.append([first, second], file) == 1

    assert ledger_file.read(file) == [first, second]


def test_a_torn_last_line_is_left_out_and_cut_off(file: Path) -> None:
    whole, torn, fresh = line(), line(), line()
    ledger_file.append([whole, torn], file)
    file.write_bytes(file.read_bytes()[:-10])

    assert ledger_file.read(file) == [whole]
    ledger_file.append([fresh], file)
    assert ledger_file.read(file) == [whole, fresh]


def test_a_last_line_without_its_end_is_kept(file: Path) -> None:
    whole, fresh = line(), line()
    ledger_file.append([whole], file)
    file.write_bytes(file.read_bytes()[:-1])

    assert ledger_file.read(file) == [whole]
    ledger_file.append([fresh], file)
    assert ledger_file.read(file) == [whole, fresh]


def test_a_line_from_before_photos_were_noted_names_none(file: Path) -> None:
    old = replace(line(), photo_ids=())
    ledger_file.append([old], file)
    fields = json.loads(file.read_text())
    del fields["photo_ids"]
    file.write_text(json.dumps(fields) + "\n")

    assert ledger_file.read(file) == [old]
    assert (replay().learned, Erasure.objects.get().photo_ids) == (1, [])


@pytest.mark.parametrize("left", [1, 100, 100_000, 200_000])
def test_the_line_of_somebody_with_thousands_of_photos(file: Path, left: int) -> None:
    """Some 200 KB: written, read, and cut off whole where it is torn."""
    whole, fresh = line(), line()
    long = replace(line(), photo_ids=tuple(new_id() for _ in range(5000)))
    ledger_file.append([whole], file)
    before = file.stat().st_size
    ledger_file.append([long], file)
    assert file.stat().st_size - before < 200_000 + 1000
    assert ledger_file.read(file) == [whole, long]

    with file.open("rb+") as torn:
        torn.truncate(min(before + left, file.stat().st_size - 10))
    ledger_file.append([fresh], file)

    assert ledger_file.read(file) == [whole, fresh]


@pytest.mark.parametrize(
    "spoiled", [b"no json", b"[]", b'{"person": "x"}', b"\xff\xfe", b"7", b"null"]
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_served(
    spoiled: bytes, file: Path
) -> None:
    ledger_file.append([line()], file)
    file.write_bytes(file.read_bytes() + spoiled + b"\n")

    with pytest.raises(CommandError, match=r"Line 2 of the ledger of erasures .* cannot be read"):
        call_command("bootstrap")


# --- Replay ---


def test_who_came_back_is_erased_again_with_everything(
    file: Path, gallery: Gallery, lfw: Lfw, media: Path, committed: Any
) -> None:
    person, other = PersonFactory(gallery=gallery), PersonFactory(gallery=gallery)
    with committed():
        erase(SYSTEM, person)
    at = Erasure.objects.get().at
    come_back(person)
    enrol(person, lfw.bytes("Donald_Rumsfeld", 1))
    store(other, lfw.bytes("Donald_Rumsfeld", 2))

    with committed():
        done = replay()

    assert (done.erased, done.learned) == (1, 1)
    assert list(Person.objects.all()) == [other]
    assert len(files(media)) == 1
    row = Erasure.objects.get()
    assert (row.person, row.actor, row.at) == (person.public_id, "system:tests", at)
    assert ledger_file.read(file) == [ledger_file.line_of(row)]
    last = AuditEntry.objects.filter(action="person.erase").order_by("pk").last()
    assert last is not None
    assert (last.actor, last.details) == ("system:ledger", {"replayed": True})
    assert last.target == f"person:{person.public_id}"


def test_replaying_twice_does_nothing_more(file: Path, person: Person, committed: Any) -> None:
    with committed():
        erase(SYSTEM, person)
    come_back(person)
    with committed():
        replay()
    entries, text = AuditEntry.objects.count(), file.read_bytes()

    with committed():
        done = replay()

    assert (done.erased, done.learned) == (0, 0)
    assert (AuditEntry.objects.count(), file.read_bytes()) == (entries, text)


def test_file_and_database_learn_from_each_other(file: Path, person: Person) -> None:
    erase(SYSTEM, person)  # and a crash before the line was written
    elsewhere = line()
    ledger_file.append([elsewhere], file)

    done = replay()

    assert (done.erased, done.learned) == (0, 1)
    assert {each.person for each in ledger_file.read(file)} == {person.public_id, elsewhere.person}
    learned = Erasure.objects.get(person=elsewhere.person)
    assert ledger_file.line_of(learned) == elsewhere


@pytest.mark.usefixtures("file")
def test_bootstrap_replays_before_anything_else(
    person: Person, committed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with committed():
        erase(SYSTEM, person)
    come_back(person)

    call_command("bootstrap")

    assert "Erased again, as the ledger says: 1 people." in capsys.readouterr().out
    assert not Person.objects.exists()


def test_without_a_file_there_is_nothing_to_do(file: Path) -> None:
    assert (replay().erased, replay().learned) == (0, 0)
    assert file.read_bytes() == b""


def test_a_large_ledger_is_synced_once(file: Path) -> None:
    rows = [ledger_file.row_of(line(new_id())) for _ in range(2500)]
    Erasure.objects.bulk_create(rows)

    assert sync() == 2500
    assert sync() == 0
    assert len(ledger_file.read(file)) == 2500


# --- Merges and splits of an older backup ---


def named(*people: Person) -> None:
    """In the ledger, by an erasure that the older database knows nothing of."""
    for each in people:
        Erasure.objects.create(
            person=each.public_id, gallery=each.gallery.public_id, actor="a", photos=1, templates=1
        )


@pytest.mark.usefixtures("file")
def test_a_merged_pair_that_was_erased_together_is_erased_again(gallery: Gallery) -> None:
    first, second = with_photos(gallery, 1), with_photos(gallery, 2)
    merge(SYSTEM, first, second)
    named(first, second)

    assert replay().erased == 1  # the other went with them

    assert not Person.objects.exists()
    assert not Face.objects.exists()


@pytest.mark.usefixtures("file")
def test_one_who_cannot_be_erased_stops_no_other_and_nothing_is_served(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [with_photos(gallery, seed) for seed in (1, 2, 3)]
    named(*people)

    def failing(actor: Actor, person: Person, **options: Any) -> Erasure:
        if person.pk == people[1].pk:
            raise RuntimeError("a mistake of ours")
        return erase(actor, person, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "erase", failing)
        with pytest.raises(LedgerError, match="1 of the people in the ledger"):
            replay()
    assert list(Person.objects.all()) == [people[1]]

    assert replay().erased == 1
    assert not Person.objects.exists()


@pytest.mark.usefixtures("file")
def test_photos_that_were_split_off_since_a_merge_go_with_whose_they_were(gallery: Gallery) -> None:
    """The merge is undone, in the older database, though a later split has some of its photos."""
    first, second = with_photos(gallery, 1), with_photos(gallery, 2, 3)
    merge(SYSTEM, first, second)
    photo = Photo.objects.get(faces__vector=encode(unit(3)))
    other = split(SYSTEM, first, [photo.public_id]).other
    named(second)

    assert replay().erased == 1

    assert set(Person.objects.all()) == {first, other}
    assert [bytes(each.vector) for each in Face.objects.all()] == [encode(unit(1))]
    assert {each.person: bytes(each.vector) for each in PersonTemplate.objects.all()} == {
        first: encode(unit(1))
    }


def split_off_and_erased(gallery: Gallery) -> Person:
    """Somebody of whose two photos one was somebody else's, who was erased: as before the split."""
    person = with_photos(gallery, 1, 2)
    photo = Photo.objects.get(faces__vector=encode(unit(2)))
    original, face = photo.original, photo.faces.get()
    other = split(SYSTEM, person, [photo.public_id]).other
    erase(SYSTEM, other)
    original.save(force_insert=True)
    photo.save(force_insert=True)
    face.template = None
    face.save(force_insert=True)
    refresh_templates(person)
    return person


@pytest.mark.usefixtures("file")
def test_a_backup_from_before_a_split_brings_no_photo_of_somebody_erased_back(
    gallery: Gallery,
) -> None:
    person = split_off_and_erased(gallery)
    assert bytes(PersonTemplate.objects.get().vector) != encode(unit(1))

    done = replay()

    assert (done.erased, done.photos) == (0, 1)
    assert [bytes(each.vector) for each in Face.objects.all()] == [encode(unit(1))]
    assert bytes(PersonTemplate.objects.get(person=person).vector) == encode(unit(1))
    last = AuditEntry.objects.filter(action="photo.delete").get()
    assert (last.actor, last.details) == ("system:ledger", {"replayed": True})
    assert replay().photos == 0


@pytest.mark.usefixtures("file")
def test_photos_of_somebody_erased_go_from_whoever_has_them(
    gallery: Gallery, capsys: pytest.CaptureFixture[str]
) -> None:
    person = split_off_and_erased(gallery)
    Photo.objects.filter(person=person).update(person=None)
    Photo.objects.filter(faces__vector=encode(unit(1))).update(person=person)

    call_command("bootstrap")

    assert "Removed again, as the ledger says: 1 photos." in capsys.readouterr().out
    assert [each.person for each in Photo.objects.all()] == [person]


def test_the_file_alone_knows_the_photos(file: Path, gallery: Gallery, committed: Any) -> None:
    with committed():
        person = split_off_and_erased(gallery)
    Erasure.objects.all().delete()

    done = replay()

    assert (done.learned, done.photos) == (1, 1)
    assert bytes(PersonTemplate.objects.get(person=person).vector) == encode(unit(1))
    row = Erasure.objects.get()
    assert ledger_file.read(file) == [ledger_file.line_of(row)]
    assert len(row.photo_ids) == 1
