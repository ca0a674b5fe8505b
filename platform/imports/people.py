"""Who a file is of: the rules for ids and names, whoever says them."""

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TypeAlias

from common.api import MAX_METADATA_BYTES
from people.models import Person, SeveralFaces

from .names import Fault
from .sources import Entry, Ignored, Loss, Refused

ID_LENGTH = Person._meta.get_field("external_id").max_length or 0
NAME_LENGTH = Person._meta.get_field("name").max_length or 0
# Control characters, and what turns the direction of writing or can't be seen: two ids that look
# the same would be two people. Halves of surrogate pairs are no characters at all.
_FORBIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff]"
)
_NO_TEXT = re.compile("[\\x00\\ud800-\\udfff]")  # what PostgreSQL keeps nowhere

NO_ID = Fault("no_external_id", "Nothing says who is on it. Give it an external_id.")


@dataclass(frozen=True, slots=True)
class Planned:
    """A file that is to be enrolled, and whom it shows.

    `several_faces` is empty where the gallery's own policy applies, `line` the manifest's, if any.
    """

    entry: Entry
    external_id: str
    name: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    several_faces: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LineRefused:
    """A line of a manifest that stands for no file that could be imported."""

    line: int
    file: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Understood:
    """How a file or a line is understood, for a dry run; with a code where it can't be used."""

    file: str
    external_id: str = ""
    name: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    several_faces: str = ""
    line: int | None = None
    code: str = ""
    sentence: str = ""


Result: TypeAlias = Planned | Refused | Ignored | Loss | LineRefused


def tidy_id(text: str) -> str:
    """An id as it is compared: without spaces around it, each accent written in one way."""
    return unicodedata.normalize("NFC", text).strip()


def id_fault(external_id: str) -> Fault | None:
    """What is wrong with an id."""
    if not external_id:
        return NO_ID
    if len(external_id) > ID_LENGTH:
        return Fault(
            "bad_external_id",
            f"An external_id has at most {ID_LENGTH} characters; this has {len(external_id)}.",
        )
    if _FORBIDDEN.search(external_id):
        return Fault(
            "bad_external_id", "The external_id contains characters that can't be seen or shown."
        )
    return None


def name_fault(name: str) -> Fault | None:
    """What is wrong with a person's name."""
    if len(name) > NAME_LENGTH:
        return Fault("bad_person_name", f"A name has at most {NAME_LENGTH} characters.")
    if _NO_TEXT.search(name):
        return Fault(
            "bad_person_name", "A name may contain neither U+0000 nor half a surrogate pair."
        )
    return None


def metadata_fault(metadata: dict[str, str]) -> Fault | None:
    """What is wrong with further columns."""
    if not metadata:
        return None
    if len(json.dumps(metadata)) > MAX_METADATA_BYTES:
        return Fault("bad_metadata", f"Metadata takes at most {MAX_METADATA_BYTES} bytes.")
    if any(_NO_TEXT.search(text) for pair in metadata.items() for text in pair):
        return Fault(
            "bad_metadata", "Metadata may contain neither U+0000 nor half a surrogate pair."
        )
    return None


def several_faces_fault(policy: str) -> Fault | None:
    """What is wrong with a policy for several faces; an empty one is the gallery's."""
    if not policy or policy in SeveralFaces.values:
        return None
    choices = ", ".join(SeveralFaces.values)
    return Fault("bad_several_faces", f"several_faces is one of {choices}, or empty.")
