"""Filters of lists that refuse what they don't know: a slip of the pen would list everything."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

# What pages and renderers take.
_OTHERS = frozenset({"cursor", "page_size", "format"})


class StrictFilterBackend(DjangoFilterBackend):
    """The filters of a view's filter set, and no other parameter."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        """The rows wanted. Raises ValidationError, which names each unknown parameter."""
        filters = self.get_filterset_class(view, queryset)
        known = set(filters.base_filters) if filters else set()
        unknown = sorted(set(request.query_params) - known - _OTHERS)
        if unknown and filters:
            names = ", ".join(sorted(known))
            raise ValidationError(
                {name: [f"There is no such filter. Those there are: {names}."] for name in unknown}
            )
        return super().filter_queryset(request, queryset, view)
