"""Views that know who asks, and show what has a public id."""

from functools import cached_property
from typing import TypeVar

from django.db import models
from rest_framework import mixins, viewsets
from rest_framework.views import APIView

from .actors import Actor, actor_of

M = TypeVar("M", bound=models.Model)


class ActorMixin(APIView):
    """A view that knows who asks."""

    @cached_property
    def actor(self) -> Actor:
        """Who asks; one for the whole request. Raises NotAuthenticated."""
        return actor_of(self.request.user)


class ReadViewSet(
    ActorMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[M]
):
    """A list, and each of its rows by public id. `get_queryset` gives what the caller may see."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
