"""Where photos come from: an archive, a folder on the server, web addresses, a bucket."""

from .base import Content, Entry, Ignored, Listed, Loss, Numbered, Refused, Source
from .opening import open_archive, open_bucket, open_folder, open_source, open_urls

__all__ = [
    "Content",
    "Entry",
    "Ignored",
    "Listed",
    "Loss",
    "Numbered",
    "Refused",
    "Source",
    "open_archive",
    "open_bucket",
    "open_folder",
    "open_source",
    "open_urls",
]
