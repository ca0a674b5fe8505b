"""The queue over HTTP, to read. What reviewers decide is carried out in `enrolment.review_api`."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers

from accounts.actors import actor_of
from accounts.api import ReadViewSet
from people.models import Person

from .models import Candidate, Opinion, Review, State, Verdict
from .selectors import opinions_shown, review_for, visible_reviews


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
    opinions = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields: ClassVar[list[str]] = [
            "id", "gallery", "kind", "state", "person", "face", "photo", "search", "face_number",
            "candidates", "model", "searched", "thresholds", "reviewers", "given", "assigned_to",
            "verdict", "chosen", "opinions", "undone_because", "created_at", "decided_at",
        ]  # fmt: skip

    @extend_schema_field(OpinionSerializer(many=True))
    def get_opinions(self, review: Review) -> Any:
        """All, or one's own."""
        shown = opinions_shown(self.context["view"].actor, review)
        return OpinionSerializer(shown, many=True).data


class ReviewFilter(django_filters.FilterSet):
    """`?gallery=&kind=&state=&verdict=&person=&mine=true`."""

    gallery = django_filters.UUIDFilter(field_name="gallery__public_id")
    person = django_filters.UUIDFilter(field_name="person__public_id")
    state = django_filters.ChoiceFilter(choices=State.choices)
    verdict = django_filters.ChoiceFilter(choices=Verdict.choices)
    mine = django_filters.BooleanFilter(
        method="filter_mine", help_text="Those assigned to the caller, or to others and nobody."
    )

    class Meta:
        model = Review
        fields: ClassVar[list[str]] = ["kind", "search"]

    def filter_mine(self, queryset: QuerySet[Review], name: str, value: bool) -> QuerySet[Review]:  # noqa: FBT001 - django-filter's signature
        """Those that are the caller's, or not."""
        mine = {"assigned_to": str(actor_of(self.request.user))}
        return queryset.filter(**mine) if value else queryset.exclude(**mine)


@extend_schema_view(
    list=extend_schema(summary="List reviews: what waits for a person's decision"),
    retrieve=extend_schema(summary="Show a review"),
)
class ReviewViewSet(ReadViewSet[Review]):
    """Reviews: doubtful searches, likely duplicates, photos that don't fit. For reviewers."""

    queryset = Review.objects.none()
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter

    def get_queryset(self) -> QuerySet[Review]:
        """Those that the caller may decide, the oldest first."""
        return visible_reviews(self.actor).order_by("pk")

    def _review(self) -> Review:
        return review_for(self.actor, self.kwargs["id"])
