"""Imports in the admin: jobs, their files, and the form for a new one."""

from .items import ImportItemAdmin
from .jobs import ImportJobAdmin

__all__ = ["ImportItemAdmin", "ImportJobAdmin"]
