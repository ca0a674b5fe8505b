"""Archives made for tests: good ones, and ones that do harm."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from imports.limits import Limits
from imports.sources import Entry, Ignored, Loss, Refused, Source

LIMITS = Limits(
    entries=1000,
    entry_bytes=1_000_000,
    total_bytes=50_000_000,
    ratio=100,
    manifest_bytes=2_000_000,
)


def zipped(path: Path, files: Iterable[tuple[str, bytes]], method: int = 8) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return path


def tarred(path: Path, files: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def local_header(
    name: bytes, packed: bytes, size: int, crc: int, *, flags: int = 0, method: int = 8
) -> bytes:
    fixed = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, crc, len(packed), size, len(name), 0
    )
    return fixed + name + packed


def central_header(
    name: bytes,
    packed: int,
    size: int,
    crc: int,
    at: int,
    *,
    flags: int = 0,
    method: int = 8,
    mode: int = 0,
) -> bytes:
    fixed = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 0x314, 20, flags, method, 0, 0, crc, packed, size,
        len(name), 0, 0, 0, 0, mode << 16, at,
    )  # fmt: skip
    return fixed + name


class RawZip:
    """A ZIP archive written byte by byte, so that it can lie."""

    def __init__(self) -> None:
        self.body = b""
        self.directory = b""
        self.count = 0

    def add(
        self,
        name: bytes,
        data: bytes = b"",
        *,
        size: int | None = None,
        crc: int | None = None,
        flags: int = 0x800,
        method: int = 8,
        mode: int = 0,
        at: int | None = None,
    ) -> RawZip:
        """An entry; with `at` only the directory has it, and its content lies there."""
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(data) + packer.flush() if method == 8 else data
        crc = zlib.crc32(data) if crc is None else crc
        size = len(data) if size is None else size
        place = len(self.body) if at is None else at
        if at is None:
            self.body += local_header(name, packed, size, crc, flags=flags, method=method)
        self.directory += central_header(
            name, len(packed), size, crc, place, flags=flags, method=method, mode=mode
        )
        self.count += 1
        return self

    def bytes(self) -> bytes:
        end = struct.pack(
            "<4s4H2LH", b"PK\5\6", 0, 0, self.count, self.count,
            len(self.directory), len(self.body), 0,
        )  # fmt: skip
        return self.body + self.directory + end

    def write(self, path: Path) -> Path:
        path.write_bytes(self.bytes())
        return path


def entries(source: Source, start: int = 0) -> list[Entry]:
    return [each for each in source.listing(start) if isinstance(each, Entry)]


def refusals(source: Source) -> dict[str, str]:
    """Codes by name."""
    return {each.name: each.code for each in source.listing() if isinstance(each, Refused)}


def ignored(source: Source) -> dict[str, str]:
    return {each.name: each.why for each in source.listing() if isinstance(each, Ignored)}


def losses(source: Source) -> list[str]:
    return [each.code for each in source.listing() if isinstance(each, Loss)]


def contents(source: Source) -> dict[str, bytes | str]:
    """What is in each entry, or the code of why not, by name."""
    found = source.read(entries(source))
    return {entry.name: data.code if isinstance(data, Refused) else data for entry, data in found}
