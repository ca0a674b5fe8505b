"""People with their faces, their photos, and the ledger of erasures."""

from .erasures import ErasureAdmin
from .people import PersonAdmin
from .photos import PersonPhotoAdmin

__all__ = ["ErasureAdmin", "PersonAdmin", "PersonPhotoAdmin"]
