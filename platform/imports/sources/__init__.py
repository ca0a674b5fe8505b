"""Where photos come from: an archive, a folder on the server, web addresses, a bucket."""

from .base import Content, Entry, Ignored, Listed, Loss, Numbered, Refused, Source
from .opening import (
    check_allowed,
    open_archive,
    open_bucket,
    open_folder,
    open_source,
    open_urls,
)

__all__ = [
    "Content",
    "Entry",
    "Ignored",
    "Listed",
    "Loss",
    "Numbered",
    "Refused",
    "Source",
    "check_allowed",
    "open_archive",
    "open_bucket",
    "open_folder",
    "open_source",
    "open_urls",
]
