"""What is shown of photos: decoded and encoded again, so that of the sender's file only the
pixels ever reach a browser.
"""

from http import HTTPStatus
from typing import Any

from common.errors import Problem
from embedder.images import crop, encode_jpeg
from embedder.types import Box

from .intake import decode_photo
from .models import Face, Original, Photo

# The longer side, in pixels: of photos as they are shown, and of those that a face is cut from.
DISPLAY_SIDE = 1600
WORKING_SIDE = 2048
THUMBNAIL_SIDE = 400
# Of a face in a list, and of one that is to be compared with others, in pixels.
FACE_WIDTH = 144
LARGE_FACE_WIDTH = 320


def photo_jpeg(photo: Photo, side: int = DISPLAY_SIDE) -> bytes:
    """The whole photo, its longer side at most `side` pixels."""
    return encode_jpeg(decode_photo(read_original(photo.original), side).pixels)


def face_jpeg(face: Face, side: int = WORKING_SIDE) -> bytes:
    """The face with a quarter of its size around it, out of the photo reduced to `side`."""
    decoded = decode_photo(read_original(face.photo.original), side)
    box = Box(face.x, face.y, face.width, face.height).scaled(decoded.scale)
    return encode_jpeg(crop(decoded.pixels, box))


def face_thumbnail(face: Face, width: int = FACE_WIDTH) -> bytes:
    """The same, `width` pixels wide: large photos are reduced while they are decoded: fast."""
    original = face.photo.original
    side = max(original.width, original.height) * width / face.width
    return face_jpeg(face, min(WORKING_SIDE, round(side)))


def open_original(original: Original) -> Any:
    """The file as it was sent.

    Raises:
        Problem: it is gone (`file_missing`).
    """
    try:
        return original.file.open("rb")
    except FileNotFoundError as error:
        raise Problem(
            "The photo's file is gone from the server's disk. Restore it from a backup, or delete "
            "the photo and send it again.",
            code="file_missing",
            status=HTTPStatus.NOT_FOUND,
        ) from error


def read_original(original: Original) -> bytes:
    """Its bytes. Raises as `open_original`."""
    with open_original(original) as stored:
        content: bytes = stored.read()
    return content
