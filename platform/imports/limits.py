"""How much of a source is taken, whatever it claims of itself."""

from dataclasses import dataclass

from django.conf import settings

MEGABYTE = 1024 * 1024

# Less than this is never called a bomb, however well it was compressed: a plain picture without
# any noise is small in an archive, too.
HARMLESS_BYTES = MEGABYTE


@dataclass(frozen=True, slots=True)
class Limits:
    """Entries in all, bytes of one entry, unpacked bytes of all, unpacked bytes for each packed."""

    entries: int
    entry_bytes: int
    total_bytes: int
    ratio: int
    manifest_bytes: int

    def is_bomb(self, packed: int, unpacked: int) -> bool:
        """Whether so much was packed into so little that no photos can be in it."""
        return unpacked > HARMLESS_BYTES and unpacked > packed * self.ratio


def of_settings() -> Limits:
    """Those of this installation."""
    return Limits(
        entries=settings.IMPORT_MAX_FILES,
        entry_bytes=settings.MAX_UPLOAD_BYTES,
        total_bytes=settings.IMPORT_MAX_BYTES,
        ratio=settings.IMPORT_MAX_RATIO,
        manifest_bytes=settings.IMPORT_MAX_MANIFEST_BYTES,
    )
