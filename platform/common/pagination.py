"""Pages of lists: by cursor, so that they stay right and fast however long the list is."""

import re

from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor
from rest_framework.request import Request


class CursorPagination(pagination.CursorPagination):
    """Newest first; `?page_size=` up to 200."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where the page begins."""
        cursor = super().decode_cursor(request)
        position = cursor.position if cursor else None
        if position is not None and not self.is_position(request, str(position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def is_position(self, request: Request, position: str) -> bool:
        """Whether a page can begin there: at a number, since that is what lists are in order of.

        One that no key can be is refused before anything reads it: Python takes no number of
        thousands of digits.
        """
        return re.fullmatch(r"[0-9]{1,18}", position) is not None


class OldestFirst(CursorPagination):
    """Of what waits: whoever has waited longest comes first."""

    ordering = "id"
