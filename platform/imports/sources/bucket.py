"""A bucket of an S3-compatible store, through django-storages (the extra `s3`)."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings

from embedder import extras
from imports.errors import MissingExtra, SourceNotAllowed, UnusableSource
from imports.limits import Limits
from imports.names import Fault

from . import faults
from .base import Closing, Content, Entry, Listed, Loss
from .judging import Found, numbered

_BROKEN = Loss(
    "unreachable", "The store stopped answering while it listed its files. Try again later."
)
_AWAY = Fault("unreachable", "The store can't be reached, or broke off. Try again later.")


class BucketSource(Closing):
    """The objects of a bucket whose keys begin with a prefix. An entry's key is the object's.

    Its name is what stands after the folder that the prefix names.
    """

    is_tape = False

    def __init__(self, bucket: str, prefix: str, limits: Limits, **options: Any) -> None:
        """Connect; `options` are those of django-storages, beside what the settings say.

        Raises:
            SourceNotAllowed: the bucket is none of IMPORT_BUCKETS.
            MissingExtra: django-storages or boto3 is not installed.
            UnusableSource: the store refuses, or can't be reached.
        """
        check_bucket(bucket)
        self._limits = limits
        self._prefix = prefix
        self._folder = prefix[: prefix.rfind("/") + 1]
        self._bucket = _bucket(bucket, options)
        self._errors = _errors()
        try:
            next(iter(self._bucket.objects.filter(Prefix=prefix).limit(1)), None)
        except self._errors as error:
            raise UnusableSource(
                f"The bucket {bucket} can't be listed: {_reason(error)}. Are IMPORT_S3_ENDPOINT "
                "and the credentials right?"
            ) from error

    def listing(self, start: int = 0, *, head: int = 0) -> Iterator[Listed]:
        """All there is from number `start` on."""
        return numbered(self._found(), self._limits, start)

    def read(
        self, entries: Iterable[Entry], *, first: int | None = None, at_most: int | None = None
    ) -> Iterator[Content]:
        """The content of each, in the order given."""
        most = at_most or self._limits.entry_bytes
        for entry in entries:
            found = self._content(entry, first, most)
            yield entry, found if isinstance(found, bytes) else entry.refused(found)

    def _found(self) -> Iterator[Found | Loss]:
        try:
            for each in self._bucket.objects.filter(Prefix=self._prefix):
                name = each.key.removeprefix(self._folder)
                if name:
                    yield name, each.size, each.key, None
        except self._errors:
            yield _BROKEN

    def _content(self, entry: Entry, first: int | None, most: int) -> bytes | Fault:
        part = {} if not first else {"Range": f"bytes=0-{first - 1}"}
        if entry.size == 0:
            return b""  # which has no first byte to ask for
        try:
            answer = self._bucket.Object(entry.key).get(**part)
            if answer["ContentLength"] > most:
                return faults.too_large(most)
            found = bytes(answer["Body"].read())
        except self._errors as error:
            return faults.CHANGED if _is_gone(error) else _AWAY
        if first is None and len(found) != entry.size:
            return faults.CHANGED
        return found


def check_bucket(name: str) -> None:
    """Raises SourceNotAllowed unless the bucket is one of IMPORT_BUCKETS."""
    if name not in settings.IMPORT_BUCKETS:
        raise SourceNotAllowed(
            f"The bucket {name} is none of those that this server opens for imports. "
            "Whoever runs it names them in IMPORT_BUCKETS (in .env), and starts it again."
        )


def _bucket(name: str, options: dict[str, Any]) -> Any:
    try:
        from storages.backends.s3 import S3Storage  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise MissingExtra(
            f"Imports from a bucket need a package that isn't there. {extras.remedy('s3')}"
        ) from error
    given = {"endpoint_url": settings.IMPORT_S3_ENDPOINT or None, **options}
    return S3Storage(bucket_name=name, **given).bucket


def _errors() -> tuple[type[Exception], ...]:
    """What boto3 raises when a store refuses, is away or breaks off."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415

    return (BotoCoreError, ClientError, HTTPClientError, OSError)


def _reason(error: Exception) -> str:
    answer = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Code", "") or type(error).__name__)


def _is_gone(error: Exception) -> bool:
    return _reason(error) in {"NoSuchKey", "404"}
