"""Photos made on the spot, for tests that need no face."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def scene(width: int = 160, height: int = 120) -> Image.Image:
    """A smooth picture with a different colour in each corner, to tell its ups from its downs."""
    x = np.linspace(0, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    channels = (x + 0 * y, y + 0 * x, (1 - x) * (1 - y) + 0.5 * x * y)
    return Image.fromarray((np.stack(channels, axis=2) * 255).astype(np.uint8))


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of raw rows, each after its filter byte; `colour` 0 is grey, 2 RGB."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks)


def exif_block(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
