"""An import through everything that breaks: sent over the API, followed beside it, and checked."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.e2e.stack import Api, eventually
from tests.fixtures import files

from .harness import RECOVERY, Installation, answers, insist
from .records import Records

PIECE = 1_000_000
FINAL = {"enrolled", "duplicate", "review", "rejected"}


def archive_of(photos: Sequence[tuple[str, bytes]]) -> bytes:
    """A ZIP archive with a folder for each person."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for number, (person, photo) in enumerate(photos):
            archive.writestr(f"{person}/{number:05d}.jpg", photo)
    return stored.getvalue()


class Import:
    """A job, and whoever sends it and does not give up."""

    def __init__(self, here: Installation, source: dict[str, str] | None = None) -> None:
        self.here = here
        self.refusals: Counter[str] = Counter()
        body = {
            "gallery": here.api.gallery,
            "source": source or {"kind": "archive"},
            "layout": {"kind": "folders"},
        }
        key = {"Idempotency-Key": uuid4().hex}
        made = insist(lambda: self._http.post("imports", json=body, headers=key), self.refusals)
        self.id = str(made.json()["id"])

    @property
    def _http(self) -> httpx.Client:
        return self.here.api.http

    def send(self, archive: bytes, *, up_to: int | None = None, piece: int = PIECE) -> None:
        """The archive in pieces, from where the job says that it has to go on."""
        end = len(archive) if up_to is None else up_to
        at = int(self.now()["uploaded"])
        while at < end:
            data = archive[at : min(at + piece, end)]
            answer = insist(lambda at=at, data=data: self._put(at, data), self.refusals,
                            {"wrong_offset"})  # fmt: skip
            at = int(answer.json()["uploaded"])

    def _put(self, offset: int, data: bytes) -> httpx.Response:
        return self._http.put(
            f"imports/{self.id}/archive",
            params={"offset": offset},
            content=data,
            headers={"Content-Type": "application/octet-stream"},
        )

    def uploaded(self) -> None:
        """The archive is whole."""
        self.tell("uploaded")

    def tell(self, step: str) -> None:
        """Start, resume, undo: once, even if the answer is lost and it is said twice."""
        insist(
            lambda: self._http.post(f"imports/{self.id}/{step}"), self.refusals, {"import_state"}
        )

    def now(self) -> dict[str, Any]:
        """The job as it is."""
        answer = insist(lambda: self._http.get(f"imports/{self.id}"), self.refusals)
        return dict(answer.json())

    def await_state(self, state: str, seconds: float = RECOVERY) -> dict[str, Any]:
        """The job, once it is in this state. One that failed fails at once."""

        def there() -> dict[str, Any] | None:
            job = self.now()
            assert job["state"] == state or job["state"] != "failed", job
            return job if job["state"] == state else None

        return eventually(there, f"the import is {state}", seconds=seconds)

    def start(self) -> None:
        """Start it as soon as it is planned."""
        self.await_state("planned")
        self.tell("start")

    def items(self) -> list[dict[str, Any]]:
        """All its files, page after page."""
        found: list[dict[str, Any]] = []
        params = {"page_size": "100"}
        answer = insist(lambda: self._http.get(f"imports/{self.id}/items", params=params),
                        self.refusals)  # fmt: skip
        while True:
            page = answer.json()
            found += page["results"]
            if not page["next"]:
                return found
            answer = insist(lambda url=page["next"]: self._http.get(url), self.refusals)


class Followed:
    """How far a job is, read beside the installation, which may have no web server just now."""

    def __init__(self, here: Installation) -> None:
        self._records = Records(here.stack)
        self._known = 0

    def done(self) -> int:
        """Files with a result, as far as the database says so."""
        sql = "SELECT count(*) FROM imports_importitem WHERE state NOT IN ('waiting', 'working')"
        try:
            self._known = self._records.number(sql)
        except (sqlite3.Error, *_psycopg_errors()):
            pass  # it was killed: what it said last still holds
        return self._known


def _psycopg_errors() -> tuple[type[Exception], ...]:
    import psycopg

    return (psycopg.Error,)


# --- The invariant ------------------------------------------------------------------------------

_ODD = {
    "files without a final state": """
        SELECT number, state FROM imports_importitem
        WHERE state NOT IN ('enrolled', 'duplicate', 'review', 'rejected') OR lease IS NOT NULL""",
    "files whose photo says something else": """
        SELECT i.number, i.state, p.state FROM imports_importitem i
        JOIN photos_photo p ON p.id = i.photo_id
        WHERE NOT (i.state = p.state OR (i.state = 'duplicate' AND p.state = 'enrolled'))""",
    "files enrolled without a photo or a person, who was not erased since": """
        SELECT number FROM imports_importitem
        WHERE state IN ('enrolled', 'duplicate') AND (photo_id IS NULL OR person_id IS NULL)
        AND name != '(erased)'""",
    "photos that no file of a job made": """
        SELECT p.id FROM photos_photo p WHERE p.source = 'import' AND (
            SELECT count(*) FROM imports_importitem i WHERE i.photo_id = p.id AND i.made_photo
        ) != 1""",
    "photos under way": """
        SELECT id, state FROM photos_photo
        WHERE state NOT IN ('enrolled', 'rejected', 'review') OR lease IS NOT NULL""",
    "the same bytes twice for a person": """
        SELECT p.person_id, o.sha256 FROM photos_photo p
        JOIN photos_original o ON o.id = p.original_id
        GROUP BY p.person_id, o.sha256 HAVING count(*) > 1""",
    "photos with another number of enrolled faces": """
        SELECT p.id, p.state, count(f.id) FROM photos_photo p
        LEFT JOIN photos_face f ON f.photo_id = p.id AND f.template_id IS NOT NULL
        GROUP BY p.id, p.state
        HAVING count(f.id) != CASE WHEN p.state = 'enrolled' THEN 1 ELSE 0 END""",
    "faces found twice": """
        SELECT photo_id FROM photos_face GROUP BY photo_id, model, x, y, width, height
        HAVING count(*) > 1""",
    "templates of another number of faces": """
        SELECT t.id, t.face_count, count(f.id) FROM vectors_persontemplate t
        LEFT JOIN photos_face f ON f.template_id = t.id
        GROUP BY t.id, t.face_count HAVING count(f.id) != t.face_count""",
    "people without a photo": """
        SELECT e.id FROM people_person e
        LEFT JOIN photos_photo p ON p.person_id = e.id WHERE p.id IS NULL""",
    "originals without a photo": """
        SELECT o.id FROM photos_original o
        LEFT JOIN photos_photo p ON p.original_id = o.id WHERE p.id IS NULL""",
}


def assert_exact(here: Installation, job: Import, count: int) -> Counter[str]:
    """Wait until everything is back, then check that each of `count` files has one result.

    And that nothing was enrolled twice, every figure adds up, the index agrees with the database
    and every original has its file. Returns how many files have which result.
    """
    eventually(here.is_whole, "every part runs again", seconds=RECOVERY)
    eventually(lambda: answers(here.api), "the web server answers", seconds=60)
    shown = job.now()
    items = job.items()
    states = Counter(str(each["state"]) for each in items)
    assert shown["state"] == "done"
    assert len({each["number"] for each in items}) == len(items) == count
    figures = shown["progress"]
    assert {state: figures[state] for state in FINAL} == {state: states[state] for state in FINAL}
    assert (figures["files"], sum(states.values()), shown["losses"]) == (count, count, [])
    records = Records(here.stack)
    odd = {what: found for what, sql in _ODD.items() if (found := records.rows(sql))}
    assert odd == {}
    eventually(here.stack.agrees, "reconcile agrees", seconds=RECOVERY, every=2)
    known = {str(row[0]) for row in records.rows("SELECT file FROM photos_original")}
    assert known <= stored(here)
    return states


def stored(here: Installation) -> set[str]:
    """The files of originals, as the database names them."""
    media = Path(here.stack.env["MEDIA_ROOT"] or here.stack.var / "media")
    return {str(path.relative_to(media)) for path in files(media)}


def orphans(here: Installation) -> set[str]:
    """Those that no row refers to."""
    rows = Records(here.stack).rows("SELECT file FROM photos_original")
    return stored(here) - {str(row[0]) for row in rows}


def upload_of(here: Installation, job: Import) -> Path:
    """Where the archive of a job lies."""
    return here.stack.var / "imports" / f"{UUID(job.id).hex}.archive"


def searchable(api: Api, person: str) -> bool:
    """Whether searches find every enrolled photo of the person with this external id."""
    (found,) = api.ok(api.http.get("people", params={"external_id": person}))["results"]
    photos = api.photos(person=str(found["id"]), state="enrolled")
    return bool(photos) and all(api.photo(str(each["id"]))["searchable"] for each in photos)
