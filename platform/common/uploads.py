"""Receiving files: bounded while they stream, in memory, under no name of the sender's."""

from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from .errors import TooLarge


class UploadTooLarge(TooLarge, RequestDataTooBig):
    """The same to Django's own pages, which know the second kind."""


def too_large() -> TooLarge:
    """The answer to a file over the limit."""
    megabytes = settings.MAX_UPLOAD_BYTES // (1024 * 1024)
    return UploadTooLarge(f"The file is larger than {megabytes} MB. Send a smaller one.")


class BoundedUploadHandler(FileUploadHandler):
    """Keeps each file in memory and refuses it the moment it passes the limit.

    A request may carry many files; together they may take four times the limit of one.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._total = 0
        self._file = BytesIO()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin the next file of the form."""
        super().new_file(*args, **kwargs)
        self._file = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take a chunk, or refuse the request."""
        self._total += len(raw_data)
        limit: int = settings.MAX_UPLOAD_BYTES
        if start + len(raw_data) > limit or self._total > 4 * limit:
            raise too_large()
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """The file, from its beginning."""
        self._file.seek(0)
        return InMemoryUploadedFile(
            file=self._file,
            field_name=self.field_name,
            name=self.file_name or "unnamed",
            content_type=self.content_type or "application/octet-stream",
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )


class SparingUploadHandler(BoundedUploadHandler):
    """The same for pages on which people choose many files: one that is too large stops no other.

    Of such a file nothing is kept: it arrives as a `RefusedFile`.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin the next file of the form."""
        super().new_file(*args, **kwargs)
        self._is_refused = False

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take a chunk; past the limit forget the file."""
        if self._is_refused:
            return
        try:
            super().receive_data_chunk(raw_data, start)
        except TooLarge:
            self._is_refused = True
            self._total -= start + len(raw_data)
            self._file = BytesIO()

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """The file, or that it was refused."""
        upload = super().file_complete(file_size)
        if self._is_refused:
            upload.__class__ = RefusedFile
        return upload


class RefusedFile(InMemoryUploadedFile):
    """A file that was too large, without its content."""

    def read(self, *args: Any) -> bytes:
        """Raise what is to be told."""
        if (self.size or 0) > settings.MAX_UPLOAD_BYTES:
            raise too_large()
        megabytes = 4 * settings.MAX_UPLOAD_BYTES // (1024 * 1024)
        raise TooLarge(f"One upload takes {megabytes} MB in all. Send this file in another one.")
