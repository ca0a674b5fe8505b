"""Opening a source by what somebody wrote, as far as the settings allow it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from imports.errors import SourceNotAllowed, UnusableSource
from imports.limits import Limits, of_settings
from imports.names import source_name

from .base import Source
from .bucket import BucketSource, check_bucket
from .files import RandomFile
from .folder import FolderSource, check_root
from .tar import TarSource
from .unpacking import packing
from .urls import UrlSource
from .web import Web
from .zip import ZipSource
from .zip_records import CENTRAL, END, LOCAL, find_directory

_TAR_MARK_AT, _TAR_MARK = 257, b"ustar"


def open_source(location: str, limits: Limits | None = None) -> Source:
    """A folder, an archive, a list of addresses (.txt) or `s3://BUCKET/PREFIX`.

    Raises:
        UnusableSource, SourceNotAllowed, MissingExtra: it can't be opened.
    """
    if location.startswith("s3://"):
        parts = urlsplit(location)
        return open_bucket(parts.netloc, parts.path.lstrip("/"), limits)
    path = Path(location)
    if path.is_dir():
        return open_folder(path, limits)
    return open_urls(path, limits) if path.suffix.lower() == ".txt" else open_archive(path, limits)


def check_allowed(source: Mapping[str, Any]) -> None:
    """Refuse at once what the settings don't open, before anybody sends anything.

    Raises:
        SourceNotAllowed: the folder, the bucket, or web addresses at all.
    """
    if source["kind"] == "folder":
        check_root(Path(source["path"]), settings.IMPORT_ROOTS)
    elif source["kind"] == "bucket":
        check_bucket(source["bucket"])
    elif source["kind"] == "urls":
        _check_urls()


def open_archive(path: Path, limits: Limits | None = None) -> Source:
    """A ZIP or TAR archive on this machine, by its bytes, whatever it is called.

    Raises:
        UnusableSource: it is neither.
    """
    limits = limits or of_settings()
    return ZipSource(path, limits) if _is_zip(path) else TarSource(path, limits)


def open_folder(path: Path, limits: Limits | None = None) -> Source:
    """A folder under one of IMPORT_ROOTS.

    Raises:
        SourceNotAllowed, UnusableSource: it lies elsewhere, or can't be read.
    """
    return FolderSource(path, settings.IMPORT_ROOTS, limits or of_settings())


def open_urls(path: Path, limits: Limits | None = None, web: Web | None = None) -> Source:
    """A list of web addresses, if IMPORT_URLS is on.

    Raises:
        SourceNotAllowed, UnusableSource: they are off, or the list can't be read.
    """
    _check_urls()
    return UrlSource(path, limits or of_settings(), web)


def open_bucket(bucket: str, prefix: str, limits: Limits | None = None) -> Source:
    """The objects under a prefix of one of IMPORT_BUCKETS.

    Raises:
        SourceNotAllowed, MissingExtra, UnusableSource: it can't be had.
    """
    return BucketSource(bucket, prefix, limits or of_settings())


def _check_urls() -> None:
    if not settings.IMPORT_URLS:
        raise SourceNotAllowed(
            "This server imports nothing from web addresses. Whoever runs it sets IMPORT_URLS=on."
        )


def _is_zip(path: Path) -> bool:
    file = RandomFile(path)
    try:
        if not file.size:
            raise UnusableSource(f"{source_name(path)} is empty.")
        if file.at(0, 4) in {LOCAL, CENTRAL, END}:
            return True
        is_tar = packing(file) is not None or file.at(_TAR_MARK_AT, 5) == _TAR_MARK
        return not is_tar and find_directory(file) is not None
    finally:
        file.close()
