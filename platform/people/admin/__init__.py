"""Galleries, who may do what in them, and their API keys. People come with their faces:
`enrolment.admin`.
"""

from .galleries import GalleryAdmin
from .keys import ApiKeyAdmin
from .members import MembershipAdmin

__all__ = ["ApiKeyAdmin", "GalleryAdmin", "MembershipAdmin"]
