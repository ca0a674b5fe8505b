"""What a person's template is made of, over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from people.models import Role
from people.selectors import person_for

from .selectors import composition_of


class TemplatePartSerializer(serializers.Serializer[Any]):
    """A face in a template, or a template that was brought ready-made."""

    face = serializers.UUIDField(allow_null=True, help_text="Null: it was brought ready-made.")
    photo = serializers.UUIDField(allow_null=True, help_text="Where the face is, or null.")
    person = serializers.UUIDField(
        help_text="Whom it was brought for: somebody else, if they were merged."
    )
    faces = serializers.IntegerField(help_text="For how many faces it counts.")
    weight = serializers.FloatField(help_text="Its share of the template, 0 to 1.")
    score = serializers.FloatField(help_text="With the whole template: the lowest fits worst.")


class TemplateSerializer(serializers.Serializer[Any]):
    """What searches compare with: of the gallery's model, the mean of the faces that count."""

    model = serializers.CharField()
    faces = serializers.IntegerField(help_text="How many count; 0: there is no template.")
    searchable = serializers.BooleanField(help_text="Whether searches see it as it is now.")
    updated_at = serializers.DateTimeField(allow_null=True)
    parts = TemplatePartSerializer(many=True)


class TemplateMixin(ActorMixin):
    """What the view of people has on templates."""

    @extend_schema(
        operation_id="people_template",
        summary="What a person's template is made of, the part that fits worst first",
        responses=TemplateSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def template(self, request: Request, **kwargs: Any) -> Response:
        """The faces in it, with their weights and how well they fit; never the template itself."""
        person = person_for(self.actor, self.kwargs["id"], Role.VIEWER)
        return Response(TemplateSerializer(composition_of(person)).data)
