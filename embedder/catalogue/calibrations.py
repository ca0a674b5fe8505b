"""A calibration in a manifest: the table `[calibration.DETECTOR]` of a network."""

from __future__ import annotations

import json
from uuid import UUID

from embedder.calibration import MOST_PHOTOS, Calibration
from embedder.calibration.calibration import COUNTED
from embedder.calibration.curves import RATES, SHARES
from embedder.catalogue.fields import Fields

_MOST = 1 << 53
_LONGEST_SOURCE = 200


def lines(calibration: Calibration) -> list[str]:
    """The fields in TOML, a line each."""
    return [
        f'id = "{calibration.id}"',
        # What JSON writes of a string, or of lists of numbers, is the same in TOML.
        f"source = {json.dumps(calibration.source, ensure_ascii=False)}",
        f"people = {calibration.people}",
        f"photos = {calibration.photos}",
        f"comparisons = {json.dumps(calibration.comparisons)}",
        f"strangers = {json.dumps(calibration.strangers)}",
        f"genuine = {json.dumps(calibration.genuine)}",
    ]


def parse(table: Fields) -> Calibration:
    """The calibration in a table. Raises ManifestError naming what is wrong in it."""
    calibration = Calibration(
        id=_id(table),
        source=_source(table),
        people=table.whole("people", low=1, high=_MOST),
        photos=table.whole("photos", low=1, high=_MOST),
        comparisons=tuple(
            tuple(int(count) for count in counts)
            for counts in table.rows("comparisons", MOST_PHOTOS, len(COUNTED))
        ),
        strangers=table.rows("strangers", MOST_PHOTOS, len(RATES)),
        genuine=table.rows("genuine", MOST_PHOTOS, len(SHARES)),
    )
    table.finish()
    return calibration


def _id(table: Fields) -> UUID:
    text = table.text("id")
    try:
        return UUID(text)
    except ValueError as error:
        raise table.wrong("id", f"is {text!r}", "Write a UUID.") from error


def _source(table: Fields) -> str:
    source = table.text("source")
    if len(source) > _LONGEST_SOURCE:
        found = f"has {len(source)} letters"
        raise table.wrong("source", found, f"Use at most {_LONGEST_SOURCE}.")
    return source
