"""The queue over HTTP, to read. What reviewers decide is carried out in `enrolment.review_api`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import actor_of
from accounts.api import ReadViewSet
from common.pagination import OldestFirst
from people.access import gallery_for
from people.models import Person, Role

from .models import Candidate, Opinion, Review, State, Verdict
from .selectors import (
    has_said,
    not_said_by,
    opinions_shown,
    review_for,
    standing,
    takeable_by,
    visible_reviews,
)


class ReviewedPersonSerializer(serializers.ModelSerializer[Person]):
    """Somebody whom a review is about."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Person
        fields: ClassVar[list[str]] = ["id", "name", "external_id", "active", "held"]


class ReviewCandidateSerializer(serializers.ModelSerializer[Candidate]):
    """Who it may be."""

    person = ReviewedPersonSerializer()
    face = serializers.UUIDField(allow_null=True, help_text="An enrolled face of theirs.")

    class Meta:
        model = Candidate
        fields: ClassVar[list[str]] = ["person", "score", "stranger_rate", "face"]


class OpinionSerializer(serializers.ModelSerializer[Opinion]):
    """What a reviewer said."""

    person = serializers.UUIDField(source="chosen.public_id", allow_null=True, default=None)

    class Meta:
        model = Opinion
        fields: ClassVar[list[str]] = ["round", "actor", "verdict", "person", "note", "at"]


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A question to reviewers.

    While it is open nobody sees what others have said, so that a second reviewer decides by what
    they see themselves.
    """

    id = serializers.UUIDField(source="public_id", read_only=True)
    gallery = serializers.UUIDField(source="gallery.public_id", read_only=True)
    person = ReviewedPersonSerializer(
        allow_null=True, help_text="Who is new, or whose photo it is."
    )
    face = serializers.UUIDField(
        allow_null=True, help_text="An enrolled face of theirs; of a photo, the one asked about."
    )
    photo = serializers.UUIDField(source="photo.public_id", allow_null=True, default=None)
    candidates = ReviewCandidateSerializer(many=True)
    given = serializers.IntegerField(help_text="How many reviewers have said what they think.")
    chosen = serializers.UUIDField(
        source="chosen.public_id", allow_null=True, default=None, help_text="Who it is."
    )
    answered = serializers.SerializerMethodField(
        help_text="Whether the caller has said what they think: then it is somebody else's turn."
    )
    opinions = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields: ClassVar[list[str]] = [
            "id", "gallery", "kind", "state", "person", "face", "photo", "search", "face_number",
            "candidates", "model", "searched", "thresholds", "reviewers", "given", "answered",
            "assigned_to", "verdict", "chosen", "opinions", "undone_because", "created_at",
            "decided_at",
        ]  # fmt: skip

    def get_answered(self, review: Review) -> bool:
        """In this round of it."""
        return has_said(self.context["view"].actor, review)

    @extend_schema_field(OpinionSerializer(many=True))
    def get_opinions(self, review: Review) -> Any:
        """All, or one's own."""
        shown = opinions_shown(self.context["view"].actor, review)
        return OpinionSerializer(shown, many=True).data


class ReviewFilter(django_filters.FilterSet):
    """`?gallery=&kind=&state=&verdict=&person=&mine=true&unassigned=true&turn=true`."""

    gallery = django_filters.UUIDFilter(field_name="gallery__public_id")
    person = django_filters.UUIDFilter(field_name="person__public_id")
    state = django_filters.ChoiceFilter(choices=State.choices)
    verdict = django_filters.ChoiceFilter(choices=Verdict.choices)
    mine = django_filters.BooleanFilter(
        method="filter_mine", help_text="Those assigned to the caller, or to others and nobody."
    )
    unassigned = django_filters.BooleanFilter(
        method="filter_unassigned", help_text="Those assigned to nobody, or to somebody."
    )
    turn = django_filters.BooleanFilter(
        method="filter_turn",
        help_text="With true: those open that the caller may decide now. Neither are they assigned "
        "to somebody else, nor has the caller said already what they think.",
    )

    class Meta:
        model = Review
        fields: ClassVar[list[str]] = ["kind", "search"]

    def filter_mine(self, queryset: QuerySet[Review], name: str, value: bool) -> QuerySet[Review]:  # noqa: FBT001 - django-filter's signature
        """Those that are the caller's, or not."""
        mine = {"assigned_to": str(actor_of(self.request.user))}
        return queryset.filter(**mine) if value else queryset.exclude(**mine)

    def filter_unassigned(
        self,
        queryset: QuerySet[Review],
        name: str,
        value: bool,  # noqa: FBT001 - django-filter's signature
    ) -> QuerySet[Review]:
        """Those that wait for whoever comes, or not."""
        nobodys = {"assigned_to": ""}
        return queryset.filter(**nobodys) if value else queryset.exclude(**nobodys)

    def filter_turn(self, queryset: QuerySet[Review], name: str, value: bool) -> QuerySet[Review]:  # noqa: FBT001 - django-filter's signature
        """Those that the caller may take."""
        actor = actor_of(self.request.user)
        return not_said_by(actor, takeable_by(actor, queryset)) if value else queryset


class ReviewPages(OldestFirst):
    """Of what waits whoever has waited longest comes first, of `?state=decided` the last one."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        """By what is asked for."""
        is_decided = request.query_params.get("state") == State.DECIDED
        return ("-decided_at", "-id") if is_decided else ("id",)

    def is_position(self, request: Request, position: str) -> bool:
        """Whether a page can begin there."""
        if request.query_params.get("state") != State.DECIDED:
            return super().is_position(request, position)
        with suppress(ValueError):
            return parse_datetime(position) is not None
        return False


class StandingQuerySerializer(serializers.Serializer[Any]):
    """Of which gallery, and since when."""

    gallery = serializers.UUIDField()
    since = serializers.DateTimeField(help_text="The beginning of the caller's day, say.")


class StandingSerializer(serializers.Serializer[Any]):
    """How the queue stands."""

    open = serializers.IntegerField()
    turn = serializers.IntegerField(help_text="Of those, what the caller may decide now.")
    mine = serializers.IntegerField(help_text="Of those, what is assigned to the caller.")
    kinds = serializers.DictField(
        child=serializers.IntegerField(), help_text="What the caller may decide now, by kind."
    )
    decided = serializers.IntegerField(help_text="Since then, by whomever.")
    said = serializers.IntegerField(help_text="Since then, how often the caller said something.")


@extend_schema_view(
    list=extend_schema(
        summary="List reviews: what waits for a person's decision",
        description="The oldest first; with `state=decided` the newest.",
    ),
    retrieve=extend_schema(summary="Show a review"),
)
class ReviewViewSet(ReadViewSet[Review]):
    """Reviews: doubtful searches, likely duplicates, photos that don't fit. For reviewers."""

    queryset = Review.objects.none()
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter
    pagination_class = ReviewPages

    def get_queryset(self) -> QuerySet[Review]:
        """Those that the caller may decide."""
        return visible_reviews(self.actor)

    @extend_schema(
        operation_id="reviews_standing",
        summary="Show how a gallery's queue stands",
        parameters=[
            OpenApiParameter("gallery", str, required=True),
            OpenApiParameter("since", str, required=True, description="ISO 8601."),
        ],
        responses=StandingSerializer,
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def standing(self, request: Request) -> Response:
        """What is left, and what was done today."""
        asked = StandingQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        fields = asked.validated_data
        gallery = gallery_for(self.actor, fields["gallery"], Role.REVIEWER)
        return Response(StandingSerializer(standing(self.actor, gallery, fields["since"])).data)

    def _review(self) -> Review:
        return review_for(self.actor, self.kwargs["id"])
