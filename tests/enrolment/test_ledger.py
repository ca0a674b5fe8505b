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

from audit.models import AuditEntry
from common.ids import new_id
from enrolment import ledger_file
from enrolment.ledger import replay, sync
from enrolment.ledger_file import LedgerError, Line
from enrolment.models import Erasure
from enrolment.services import erase
from people.models import Gallery, Person
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import enrol, files, store
from workers.maintenance import tidy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def file(tmp_path: Path, settings: Any) -> Path:
    settings.LEDGER_FILE = tmp_path / "elsewhere" / "erasures.jsonl"
    return Path(settings.LEDGER_FILE)


def line(person: UUID | None = None) -> Line:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Line(person or uuid4(), uuid4(), at, "user:somebody", 2, 1, (7,))


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
    enrol(person, lfw.bytes("Donald_Rumsfeld", 1))

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
