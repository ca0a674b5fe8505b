"""Judging the bytes of a photo: what is wrong with the file itself is said at once, as a 4xx."""

import hashlib
import threading
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings

from common.errors import Problem
from common.uploads import too_large
from embedder.errors import ImageError
from embedder.images import DecodedImage, ImageInfo, decode

# Faces narrower than this are not looked for, in pixels of the original photo. Large photos are
# reduced while they are decoded, as far as such a face can still be found.
SMALLEST_FACE = 40.0

# Decoding 50 megapixels takes a gigabyte for a moment: not in all the web's threads at once.
_turns = threading.BoundedSemaphore(2)

_STATUS = {
    "empty_file": HTTPStatus.BAD_REQUEST,
    "unsupported_format": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


class BadPhoto(Problem):
    """The file is no photo that can be used; `code` says why."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True)
class Intake:
    """A photo's bytes that were decoded once, and found good."""

    data: bytes
    sha256: str
    info: ImageInfo


def examine(data: bytes) -> Intake:
    """Check a photo's bytes by decoding them.

    Raises:
        BadPhoto, TooLarge: they can't be used.
    """
    decoded = decode_photo(data)
    return Intake(data, hashlib.sha256(data).hexdigest(), decoded.info)


def decode_photo(data: bytes, max_side: int | None = None) -> DecodedImage:
    """Decode a photo to 8-bit RGB, upright, as large as it takes to find its faces.

    With `max_side` its longer side has at most so many pixels instead, to be shown.

    Raises:
        BadPhoto, TooLarge: it can't be decoded, or is not allowed.
    """
    if len(data) > settings.MAX_UPLOAD_BYTES:
        raise too_large()
    min_face = SMALLEST_FACE if max_side is None else None
    try:
        with _turns:
            return decode(
                data, max_side=max_side, min_face=min_face, max_pixels=settings.MAX_PIXELS
            )
    except ImageError as error:
        raise bad_photo(error) from error


def bad_photo(error: ImageError) -> BadPhoto:
    """The same as an answer of the API."""
    status = _STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)
    return BadPhoto(error.message, code=error.code, status=status)
