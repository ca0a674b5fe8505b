"""The orientation tag of an EXIF block, and nothing else of it.

Read by hand because libraries warn or raise about the many malformed blocks that cameras and
editors write; here every doubt means "upright". Format: TIFF 6.0, tag 0x0112 (EXIF 2.32, 4.6.4).
"""

import struct

UPRIGHT = 1
_ORIENTATION_TAG = 0x0112
_SHORT = 3
_ENTRY_BYTES = 12
_BYTE_ORDER = {b"II*\0": "<", b"MM\0*": ">"}


def orientation(block: bytes | None) -> int:
    """The orientation, 1 to 8, of an EXIF block; 1 when there is none or it makes no sense."""
    if not block:
        return UPRIGHT
    try:
        value = _first_directory_value(block.removeprefix(b"Exif\0\0"))
    except (struct.error, KeyError):
        return UPRIGHT
    return value if 1 <= value <= 8 else UPRIGHT  # noqa: PLR2004 - the tag's eight values


def _first_directory_value(tiff: bytes) -> int:
    order = _BYTE_ORDER[tiff[:4]]
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, start + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _ORIENTATION_TAG:
            return int(value) if kind == _SHORT else UPRIGHT
    return UPRIGHT
