"""What a plan foretells beside its counts: how rows are understood, what is known, and the time.

It is made by the worker that plans and kept with the plan: nobody who looks at it opens a source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from django.db.models import Count, F, Q

from photos.models import Original

from .inspection import Duplicates
from .layouts import Layout, understand
from .models import ImportJob, ItemState, JobState
from .names import shown
from .sources import Entry, Refused, Source

# Photos a second, where nobody has measured.
USUAL_RATE = 20.0
# Jobs that say how fast this installation is: the last ones, with enough photos to tell.
ASKED_JOBS, LOOKED_AT_JOBS, ENOUGH_PHOTOS = 5, 20, 100
ROWS = 10
# A plan is looked at on a page and kept in a row of the database.
_LONGEST_TEXT, _MOST_COLUMNS = 300, 50


def understanding(layout: Layout, source: Source) -> dict[str, Any]:
    """How the first files, or lines of the manifest, are understood: what any database keeps."""
    found = understand(layout, source, rows=ROWS)
    return {
        "table": found.table,
        "columns": _texts(found.columns),
        "rows": [_row(asdict(each)) for each in found.rows],
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    texts = {key: _text(value) for key, value in row.items() if isinstance(value, str)}
    return {**row, **texts, "metadata": _texts(row["metadata"])}


def _texts(pairs: dict[str, str]) -> dict[str, str]:
    return {_text(key): _text(pairs[key]) for key in list(pairs)[:_MOST_COLUMNS]}


def _text(text: str) -> str:
    return shown(text[:_LONGEST_TEXT])


def known_content(job: ImportJob) -> Duplicates:
    """How many of some files the job's gallery has, byte for byte. An empty gallery reads none."""
    originals = Original.objects.filter(gallery=job.gallery_id)
    has_any = originals.exists()

    def count(source: Source, entries: Sequence[Entry]) -> int:
        if not has_any:
            return 0
        hashes = list(_hashes(data for _, data in source.read(entries)))
        known = set(originals.filter(sha256__in=hashes).values_list("sha256", flat=True))
        return sum(each in known for each in hashes)

    return count


def _hashes(contents: Iterable[bytes | Refused]) -> Iterable[str]:
    for data in contents:
        if not isinstance(data, Refused):
            yield hashlib.sha256(data).hexdigest()


def measured_rate(model: str) -> float | None:
    """Photos a second that the last imports with a model took; None where there were none."""
    computed = Q(items__state__in=(ItemState.ENROLLED, ItemState.REVIEW))
    last = ImportJob.objects.filter(
        state=JobState.DONE, gallery__model=model, started_at__lt=F("finished_at")
    ).order_by("-finished_at")[:LOOKED_AT_JOBS]
    counted = ImportJob.objects.filter(pk__in=[job.pk for job in last]).annotate(
        photos=Count("items", filter=computed)
    )
    rates = [
        job.photos / max(job.seconds_at_work or 0.0, 0.001)
        for job in counted.order_by("-finished_at")
        if job.photos >= ENOUGH_PHOTOS
    ]
    return median(rates[:ASKED_JOBS]) if rates else None
