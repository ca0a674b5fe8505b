"""JPEG through libjpeg-turbo, strictly: a damaged file is refused, never half painted grey.

Background: ITU-T T.81 (markers and segments); Adobe Technical Note 5116 (the APP14 segment and
its inverted CMYK).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from embedder import exif
from embedder.errors import ImageError
from embedder.types import RgbImage

_EOI, _SOS, _APP0, _APP1, _APP14 = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE
# Markers that stand alone, without a length: TEM, RST0 to RST7, SOI, EOI.
_BARE = frozenset({0x01, *range(0xD0, 0xDA)})
# A real progressive photo has about ten scans. A forged one can have thousands, each of which
# costs a pass over all its pixels.
_MAX_SCANS = 100
# What libjpeg warns about although every pixel may be as it should be.
_HARMLESS = ("extraneous bytes before marker", "unknown JFIF revision number")
_DAMAGED = "This JPEG is damaged or incomplete. Export or upload it again."


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """Size in pixels as stored (before EXIF orientation), colour space, and what APPn said."""

    width: int
    height: int
    colour_space: str
    orientation: int
    has_adobe_segment: bool


def read_header(data: bytes) -> JpegHeader:
    """Read size, colour space and orientation without decoding.

    Raises ImageError `undecodable`.
    """
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: a colour space it has no name for
        raise ImageError("undecodable", _DAMAGED) from error
    applications = dict(_application_segments(data))
    return JpegHeader(
        width=width,
        height=height,
        colour_space=colour_space,
        orientation=exif.orientation(applications.get(_APP1)),
        has_adobe_segment=_APP14 in applications,
    )


def decode(data: bytes, header: JpegHeader, *, min_width: int = 0, min_height: int = 0) -> RgbImage:
    """Pixels as stored (before EXIF orientation), RGB.

    With a minimum, at the smallest of libjpeg's eighths that is no smaller than it. Raises
    ImageError `undecodable`, also when a part only of the picture is damaged.
    """
    if data.count(bytes((0xFF, _SOS))) > _MAX_SCANS:
        raise ImageError("undecodable", "This JPEG has too many scans. Save it as a normal JPEG.")
    inks = header.colour_space in {"CMYK", "YCCK"}
    options = {"min_width": min_width, "min_height": min_height}
    pixels = _decode_strictly(data, "CMYK" if inks else "RGB", options)
    return _from_inks(pixels, inverted=header.has_adobe_segment) if inks else pixels


def _decode_strictly(data: bytes, colours: str, options: dict[str, int]) -> NDArray[np.uint8]:
    try:
        return _turbo(data, colours, options)
    except ValueError as error:
        warning = str(error)
    if any(text in warning for text in _HARMLESS):
        # libjpeg reports its last warning only. Decoding strictly what is left without the
        # oddities shows whether they were all that was wrong.
        with contextlib.suppress(ValueError):
            return _turbo(_tidied(data), colours, options)
    raise ImageError("undecodable", _DAMAGED) from ValueError(warning)


def _turbo(data: bytes, colours: str, options: dict[str, int]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colours, strict=True, **options)
    return pixels


def _from_inks(cmyk: NDArray[np.uint8], *, inverted: bool) -> RgbImage:
    """RGB of (H, W, 4) ink amounts; Adobe stores them inverted, 255 being no ink."""
    light = cmyk if inverted else 255 - cmyk
    product = light[..., :3].astype(np.uint16) * light[..., 3:]
    return ((product + 127) // 255).astype(np.uint8)


def _application_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """APP1 (when it is EXIF) and APP14 (when it is Adobe's) as (marker, body), last wins."""
    for marker, start, end in _segments(data):
        body = data[start + 4 : end]
        if (marker == _APP1 and body.startswith(b"Exif\0")) or (
            marker == _APP14 and body.startswith(b"Adobe")
        ):
            yield marker, body


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of every segment up to and with the first SOS header."""
    at = 0
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0x00, 0xFF):
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 if marker in _BARE else at + 2 + length
        yield marker, at, end
        if marker in (_SOS, _EOI):
            return
        at = end


def _tidied(data: bytes) -> bytes:
    """The file without JFIF segment, stray bytes between segments, or zeros before its end."""
    segments = list(_segments(data))
    head = b"".join(data[start:end] for marker, start, end in segments if marker != _APP0)
    end = data.rfind(bytes((0xFF, _EOI)))
    scans = data[segments[-1][2] : end].rstrip(b"\0") if segments else b""
    return head + scans + bytes((0xFF, _EOI))
