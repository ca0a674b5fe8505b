"""The sentences that several sources say. Codes are part of the API."""

from imports.limits import MEGABYTE
from imports.names import Fault

from .base import Loss

DAMAGED = Fault("damaged", "Its content is damaged. Pack it again from the original.")
WRONG_SIZE = Fault("wrong_size", "Its content has another size than the source claims.")
CUT_OFF = Fault("cut_off", "The source ends before this file does. Send it again, whole.")
LINK = Fault("link", "It is a link to another file. Pack the file itself.")
SPECIAL_FILE = Fault("special_file", "It is a device, a pipe or a socket, not a file with content.")
ENCRYPTED = Fault("encrypted", "It is encrypted. Pack it without a password.")
NESTED = Fault("nested_archive", "It is an archive in the source. Unpack it and send its photos.")
OVERLAPPING = Fault("overlapping", "It shares its bytes with other entries of the archive.")
COMPRESSION = Fault(
    "compression", "It is compressed in a way that isn't read. Pack it with deflate, or stored."
)
BOMB = Fault("bomb", "It unpacks to far more bytes than any photo of its packed size.")
UNREADABLE = Fault("unreadable", "It can't be read.")
CHANGED = Fault("changed", "It is no longer what it was when the source was listed.")


def too_large(limit: int) -> Fault:
    """One entry is over the limit."""
    return Fault("too_large", f"It is larger than {limit / MEGABYTE:g} MB. Send a smaller one.")


def too_much(limit: int) -> Fault:
    """All entries together are over the limit."""
    return Fault(
        "too_much",
        f"It would take the source above {limit / 1e9:g} GB. Send it in another import.",
    )


def too_many(limit: int) -> Loss:
    """There are more entries than the limit."""
    return Loss(
        "too_many_entries",
        f"The source has more than {limit:,} entries; the others are not offered. Split it.",
    )
