"""Opening what a job imports from, and giving each of its files a row."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from common.errors import Problem
from people.models import Person

from .erasing import forget_listed
from .inspection import inspect
from .jobs import SENT, lock_job
from .layouts import Layout, open_layout
from .models import ImportItem, ImportJob, ItemState, JobState
from .people import LineRefused, Planned, Result
from .places import manifest_path
from .preview import USUAL_RATE, known_content, measured_rate, understanding
from .sources import (
    Ignored,
    Loss,
    Refused,
    Source,
    open_archive,
    open_bucket,
    open_folder,
    open_urls,
)

logger = logging.getLogger(__name__)

LIST_AT_ONCE = 2_000
_MISTAKE = (
    "The server made a mistake with this source; its log says which. Resume the import to have it "
    "try once more."
)


def open_source(job: ImportJob) -> Source:
    """Raises UnusableSource, SourceNotAllowed, MissingExtra."""
    source = job.source
    if source["kind"] == "folder":
        return open_folder(Path(source["path"]))
    if source["kind"] == "urls":
        return open_urls(Path(source["path"]))
    if source["kind"] == "bucket":
        return open_bucket(source["bucket"], source.get("prefix", ""))
    return open_archive(Path(source["path"]))


def layout_of(job: ImportJob, source: Source) -> Layout:
    """How its files become people. Raises UnusableManifest."""
    layout = job.layout
    return open_layout(
        layout["kind"],
        source,
        separator=layout.get("separator", "_"),
        manifest=_manifest_of(job),
    )


def _manifest_of(job: ImportJob) -> Path | None:
    """The table beside the source, if it isn't in it."""
    given = job.layout.get("manifest")
    if given == SENT:
        return manifest_path(job)
    return Path(given) if given else None


@contextmanager
def _failing(job: ImportJob) -> Iterator[None]:
    """Whatever is wrong with its source ends the job, and not the turn of all others.

    A mistake of ours would be made again and again; only a database that is away is waited for.
    """
    try:
        yield
    except Problem as problem:
        fail_job(job, problem)
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        # Without what it says: that may name files, and no log may.
        bare = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
        logger.error("import %s can't be read", job.public_id, exc_info=bare)
        fail_job(job, Problem(_MISTAKE, code="internal_error"))


def plan(job: ImportJob) -> None:
    """Look at names and headers, and keep what an import would do."""
    with _failing(job):
        rate = measured_rate(job.gallery.model)
        with open_source(job) as source:
            layout = layout_of(job, source)
            understood = understanding(layout, source)
            found = inspect(
                source,
                layout,
                rate=rate or USUAL_RATE,
                known=lambda ids: _known(job, ids),
                duplicates=known_content(job),
            )
        ImportJob.objects.filter(pk=job.pk, state=JobState.PLANNING).update(
            plan={
                **asdict(found),
                "new": found.new,
                "rate": rate or USUAL_RATE,
                "is_rate_measured": rate is not None,
                "understanding": understood,
            },
            state=JobState.PLANNED,
        )


def fail_job(job: ImportJob, problem: Problem) -> None:
    """Its source can't be read: whoever made it learns why."""
    states = [JobState.PLANNING, JobState.RUNNING]
    ImportJob.objects.filter(pk=job.pk, state__in=states).update(
        state=JobState.FAILED, code=problem.code, text=problem.detail, finished_at=timezone.now()
    )


def _known(job: ImportJob, ids: object) -> int:
    return Person.objects.filter(gallery=job.gallery_id, external_id__in=ids).count()


def list_files(job: ImportJob) -> None:
    """Give each file its row. Begun again after a death it adds what is missing."""
    ignored: Counter[str] = Counter()
    losses: list[Loss] = []
    with _failing(job):
        with open_source(job) as source:
            listing = layout_of(job, source).plan(source.listing())
            while results := tuple(islice(listing, LIST_AT_ONCE)):
                ignored.update(each.why for each in results if isinstance(each, Ignored))
                losses += [each for each in results if isinstance(each, Loss)]
                ImportItem.objects.bulk_create(list(_rows(job, results)), ignore_conflicts=True)
        _end_listing(job, ignored, losses)


@transaction.atomic
def _end_listing(job: ImportJob, ignored: Counter[str], losses: list[Loss]) -> None:
    """Let it begin, but for the files of those who were erased until now."""
    forget_listed(lock_job(job.pk))
    ImportJob.objects.filter(pk=job.pk).update(
        listed=True, erased=[], ignored=dict(ignored), losses=[asdict(each) for each in losses]
    )


def _rows(job: ImportJob, results: tuple[Result, ...]) -> Iterator[ImportItem]:
    for each in results:
        if isinstance(each, Planned):
            yield ImportItem(
                job=job, number=each.entry.number, line=each.line, name=each.entry.name,
                key=each.entry.key, size=each.entry.size, external_id=each.external_id,
                person_name=each.name, metadata=each.metadata,
                several_faces=each.several_faces or job.several_faces,
            )  # fmt: skip
        elif isinstance(each, Refused):
            yield ImportItem(
                job=job, number=each.number, name=each.name, key=each.key,
                state=ItemState.REJECTED, code=each.code, text=each.sentence,
            )  # fmt: skip
        elif isinstance(each, LineRefused):
            yield ImportItem(
                job=job, line=each.line, name=each.file, state=ItemState.REJECTED,
                code=each.code, text=each.sentence,
            )  # fmt: skip
