"""People with their faces, their photos, reviews, and the ledger of erasures."""

from .erasures import ErasureAdmin
from .people import PersonAdmin
from .photos import PersonPhotoAdmin
from .reviews import ReviewAdmin

__all__ = ["ErasureAdmin", "PersonAdmin", "PersonPhotoAdmin", "ReviewAdmin"]
