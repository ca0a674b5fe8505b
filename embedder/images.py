"""Photos from untrusted bytes: look at the header first, refuse early, decode exactly.

The bytes decide, never a file's name. Every refusal is an ImageError whose code is part of the
API. All functions can be called from several threads at once.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import zlib
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image, features

from embedder import exif, jpeg
from embedder.errors import ImageError, PixelsError
from embedder.opencv import cv2
from embedder.types import Box, RgbImage

MAX_PIXELS = 50_000_000
MIN_SIDE = 80
MAX_ASPECT = 20
"""Longer side over shorter side; beyond it a picture is a stripe, not a photo."""

WORKING_SIDE = 1600
"""Photos whose longer side is no longer than this, in pixels, gain nothing by being reduced."""

FINDABLE_WIDTH = 20
"""Width in pixels that the smallest face looked for keeps when its photo is reduced."""

_MEDIA = {
    "JPEG": ("image/jpeg", ".jpg"),
    "PNG": ("image/png", ".png"),
    "WEBP": ("image/webp", ".webp"),
    "GIF": ("image/gif", ".gif"),
    "BMP": ("image/bmp", ".bmp"),
    "AVIF": ("image/avif", ".avif"),
}
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_WHITE = (255, 255, 255, 255)
_DIMENSIONS, _CHANNELS = 3, 3
# Decoding 50 megapixels takes a gigabyte for a moment: not in all threads at once.
_enlarging = threading.BoundedSemaphore(2)

# What Pillow raises on hostile bytes. Warning is here because Pillow only warns about some files
# that a process running with warnings as errors then gets as an exception.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a header says. Width and height are those of the upright picture, in pixels."""

    format: str
    media_type: str
    extension: str
    width: int
    height: int
    orientation: int
    frames: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An upright picture; `scale` is the size of `pixels` over the original's, at most 1.

    `data` is the file's content if the picture was reduced: `enlarged` reads more out of it.
    Raises PixelsError for pixels that aren't (H, W, 3) bytes.
    """

    info: ImageInfo
    pixels: RgbImage
    scale: float
    data: bytes | None = None

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE) -> ImageInfo:
    """What the header says, without decoding.

    Raises ImageError `empty_file`, `unsupported_format`, `too_many_pixels`, `bad_dimensions` or
    `undecodable`.
    """
    name = _sniff(data)
    info = _inspect_jpeg(data) if name == "JPEG" else _inspect_other(data, name)
    _check_size(info, max_pixels=max_pixels, min_side=min_side)
    return info


def decode(
    data: bytes,
    *,
    max_side: int | None = None,
    min_face: float | None = None,
    max_pixels: int = MAX_PIXELS,
    min_side: int = MIN_SIDE,
) -> DecodedImage:
    """The upright picture as 8-bit RGB, transparency on white, the first frame of an animation.

    With `max_side` its longer side is reduced to at most that many pixels. With `min_face`, the
    width in pixels of the original of the smallest face that matters, a large photo is reduced as
    far as such a face can still be found (`side_to_find`). Raises ImageError as `inspect` does,
    and `undecodable` for damaged or truncated data.
    """
    info = inspect(data, max_pixels=max_pixels, min_side=min_side)
    sides = [max_side, None if min_face is None else side_to_find(info, min_face)]
    return _decoded(data, info, min((side for side in sides if side), default=None))


def side_to_find(info: ImageInfo, min_face: float) -> int:
    """The longer side, in pixels, at which faces `min_face` pixels wide can still be found."""
    longer = max(info.width, info.height)
    return min(longer, max(WORKING_SIDE, math.ceil(longer * FINDABLE_WIDTH / min_face)))


def enlarged(image: DecodedImage, scale: float) -> DecodedImage:
    """The picture at `scale` (at most 1), decoded once more if it was reduced further than that.

    Raises ImageError as `decode` does.
    """
    if image.data is None or scale <= image.scale:
        return image
    side = math.ceil(max(image.info.width, image.info.height) * min(scale, 1))
    with _enlarging:
        return _decoded(image.data, image.info, side)


def from_pixels(pixels: RgbImage) -> DecodedImage:
    """A picture that is in memory already, such as a frame of a video: (H, W, 3) RGB, 8 bits.

    Raises PixelsError for an array of another shape or type.
    """
    _check_pixels(pixels)
    height, width = pixels.shape[:2]
    info = ImageInfo("pixels", "", "", width, height, orientation=1, frames=1)
    return DecodedImage(info, np.ascontiguousarray(pixels), scale=1.0)


def _check_pixels(pixels: object) -> None:
    if not isinstance(pixels, np.ndarray):
        raise PixelsError(f"a picture is a {type(pixels).__name__}: give a NumPy array of pixels.")
    if pixels.dtype != np.uint8:
        raise PixelsError(f"a picture holds {pixels.dtype}: scale it to 0..255 and make it uint8.")
    if pixels.ndim != _DIMENSIONS or pixels.shape[2] != _CHANNELS or not pixels.size:
        raise PixelsError(f"a picture has the shape {pixels.shape}: give (height, width, 3), RGB.")


def _decoded(data: bytes, info: ImageInfo, max_side: int | None) -> DecodedImage:
    stored = _decode_jpeg(data, max_side) if info.format == "JPEG" else _decode_other(data, info)
    pixels = _upright(_reduced(stored, max_side), info.orientation)
    scale = max(pixels.shape[:2]) / max(info.width, info.height)
    return DecodedImage(info, pixels, scale, data if scale < 1 else None)


def encode_jpeg(pixels: RgbImage, quality: int = 90) -> bytes:
    """A JPEG of an (H, W, 3) RGB picture, without any metadata."""
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return encoded


def crop(pixels: RgbImage, box: Box, margin: float = 0.25) -> RgbImage:
    """The part under `box` (in pixels of `pixels`), `margin` of its size wider on each side.

    Clipped to the picture. Raises ValueError when nothing of the box lies in the picture.
    """
    height, width = pixels.shape[:2]
    left = max(0, round(box.x - margin * box.width))
    top = max(0, round(box.y - margin * box.height))
    right = min(width, round(box.right + margin * box.width))
    bottom = min(height, round(box.bottom + margin * box.height))
    if left >= right or top >= bottom:
        raise ValueError(f"{box} lies outside a picture of {width} x {height} pixels")
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def _sniff(data: bytes) -> str:
    """The format by its first bytes. Raises ImageError `empty_file` or `unsupported_format`."""
    if not data:
        raise ImageError("empty_file", "The file is empty. Choose a photo and upload it again.")
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if _is_avif(data) and features.check("avif"):
        return "AVIF"
    raise ImageError(
        "unsupported_format", "This is not a photo we can read. Send a JPEG, PNG or WebP file."
    )


def _is_avif(data: bytes) -> bool:
    """Whether an ISO base media file (ISO/IEC 14496-12) lists a brand of AVIF's."""
    if data[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    return bool(brands & _AVIF_BRANDS)


def _check_size(info: ImageInfo, *, max_pixels: int, min_side: int) -> None:
    shorter, longer = sorted((info.width, info.height))
    if shorter * longer > max_pixels:
        raise _too_many_pixels(f"{info.width} x {info.height} pixels", max_pixels)
    if shorter < min_side or longer > MAX_ASPECT * shorter:
        raise ImageError(
            "bad_dimensions",
            f"The picture has {info.width} x {info.height} pixels. Send one with at least "
            f"{min_side} pixels on each side that is no narrow stripe.",
        )


def _too_many_pixels(size: str, max_pixels: int) -> ImageError:
    limit = f"{max_pixels / 1e6:g} megapixels"
    return ImageError("too_many_pixels", f"The picture has {size}. Reduce it to at most {limit}.")


def _info(name: str, size: tuple[int, int], orientation: int, frames: int) -> ImageInfo:
    """`size` is (width, height) as stored; orientations 5 to 8 lie on their side."""
    width, height = size if orientation < 5 else size[::-1]  # noqa: PLR2004
    media_type, extension = _MEDIA[name]
    return ImageInfo(name, media_type, extension, width, height, orientation, frames)


def _inspect_jpeg(data: bytes) -> ImageInfo:
    header = jpeg.read_header(data)
    return _info("JPEG", (header.width, header.height), header.orientation, frames=1)


def _inspect_other(data: bytes, name: str) -> ImageInfo:
    try:
        with Image.open(io.BytesIO(data), formats=(name,)) as image:
            turned = exif.orientation(image.info.get("exif"))
            return _info(name, image.size, turned, getattr(image, "n_frames", 1))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit lies above ours: whatever passes it is too large for us as well.
        raise _too_many_pixels("too many pixels", MAX_PIXELS) from error
    except _PILLOW_ERRORS as error:
        raise _undecodable(name) from error


def _undecodable(name: str) -> ImageError:
    return ImageError(
        "undecodable", f"This {name} file is damaged or incomplete. Export or upload it again."
    )


def _decode_jpeg(data: bytes, max_side: int | None) -> RgbImage:
    """Pixels as stored, decoded no larger than needed for a longer side of `max_side`."""
    header = jpeg.read_header(data)
    wanted = max_side or 0
    if header.width >= header.height:
        return jpeg.decode(data, header, min_width=wanted)
    return jpeg.decode(data, header, min_height=wanted)


def _decode_other(data: bytes, info: ImageInfo) -> RgbImage:
    try:
        with Image.open(io.BytesIO(data), formats=(info.format,)) as image:
            image.load()
            return _to_rgb(image)
    except _PILLOW_ERRORS as error:
        raise _undecodable(info.format) from error


def _to_rgb(image: Image.Image) -> RgbImage:
    """8-bit RGB of any mode of Pillow's, transparency laid on white."""
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit grey at 255 instead of scaling it.
        grey = (np.asarray(image).astype(np.int64).clip(0, 0xFFFF) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer)
    return np.array(image.convert("RGB"))


def _reduced(pixels: RgbImage, max_side: int | None) -> RgbImage:
    height, width = pixels.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return pixels
    factor = max_side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _upright(pixels: RgbImage, orientation: int) -> RgbImage:
    """Undo EXIF orientation 1 to 8: mirror and turn the picture the way it was seen."""
    if orientation >= 5:  # noqa: PLR2004 - stored on its side
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
