"""The files of a job that were not taken, as a page to look at or to keep: it needs nothing else.

What it shows was written by strangers: names are escaped and may not turn the text around them,
pictures are decoded and encoded again, and the page may run and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from django.db.models import Count
from django.template.loader import render_to_string

from common.errors import Problem
from photos.models import Photo
from photos.renditions import photo_jpeg

from .models import ImportItem, ImportJob, ItemState

PAGE, MOST = 100, 200
# Pixels of a picture's longer side.
_SIDE = 160
_STATES = (ItemState.REJECTED, ItemState.FAILED)
_STYLE = (Path(__file__).parent / "templates/imports/sheet.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'", "img-src data:", f"style-src 'sha256-{_STYLE_HASH}'", "base-uri 'none'",
    "form-action 'none'", "frame-ancestors 'none'",
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A file, and its picture as a data: URI; none of what was never stored."""

    item: ImportItem
    picture: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A code that pages can be about, with the number of its files."""

    code: str
    count: int
    query: str
    is_chosen: bool


def as_html(job: ImportJob, *, code: str = "", after: int = 0, limit: int = PAGE) -> str:
    """The files after one of them, at most `limit`; of one code, or of all."""
    items = job.items.filter(state__in=_STATES, pk__gt=after, **({"code": code} if code else {}))
    found = list(items.select_related("photo__original").order_by("pk")[: limit + 1])
    shown = found[:limit]
    same = {"limit": limit, **({"code": code} if code else {})}
    context = {
        "job": job,
        "style": _STYLE,
        "rows": list(_rows(shown)),
        "choices": _choices(job, code, limit),
        "first": urlencode(same) if after else "",
        "next": urlencode({**same, "after": shown[-1].pk}) if len(found) > limit else "",
    }
    return render_to_string("imports/sheet.html", context)


def _rows(items: Sequence[ImportItem]) -> Iterator[Row]:
    for item in items:
        yield Row(item, _picture(item.photo) if item.photo else "")


def _picture(photo: Photo) -> str:
    """Nothing where the file is gone, or can't be decoded any more."""
    try:
        jpeg = photo_jpeg(photo, _SIDE)
    except Problem:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _choices(job: ImportJob, chosen: str, limit: int) -> list[Choice]:
    """All codes that there are, those of most files first."""
    counted = job.items.filter(state__in=_STATES).order_by().values_list("code")
    counts = sorted(counted.annotate(count=Count("pk")), key=lambda each: (-each[1], each[0]))
    every = Choice("", sum(count for _, count in counts), urlencode({"limit": limit}), not chosen)
    return [every] + [
        Choice(code, count, urlencode({"code": code, "limit": limit}), code == chosen)
        for code, count in counts
    ]
