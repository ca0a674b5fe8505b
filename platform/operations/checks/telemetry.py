"""What lookups themselves say of their thresholds."""

from django.db import DatabaseError

from identification.drift import alarms
from operations.parts import Part, failed, ok, warning


def calibration() -> Part:
    """Do strangers score as the calibrations foretell, by the searches of the last weeks?"""
    try:
        found = alarms()
    except DatabaseError:
        return failed("calibration", "can't be read", "See the database.")
    if not found:
        return ok("calibration", "strangers score no higher than foretold")
    gallery, worst = found[0]
    count = "one gallery" if len(found) == 1 else f"{len(found)} galleries"
    return warning(
        "calibration",
        f"in {count} strangers score higher than foretold",
        worst.advice,
        where=gallery.slug,
    )
