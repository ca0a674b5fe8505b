"""Pages of lists: by cursor, so that they stay right and fast however long the list is."""

from rest_framework import pagination


class CursorPagination(pagination.CursorPagination):
    """Newest first; `?page_size=` up to 200."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
