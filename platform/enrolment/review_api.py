"""Deciding reviews over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import problem
from common.errors import NotFound
from identification.probes import probe_of
from people.models import Person, Role
from people.selectors import person_for
from photos.api import JPEG, jpeg_response
from reviews import api as reviews_api
from reviews.api import ReviewSerializer
from reviews.models import NOTE_LENGTH, Verdict
from reviews.services import assign, user_actor

from . import adjudication
from .models import REASON_LENGTH


class DecisionSerializer(serializers.Serializer[Any]):
    """What a reviewer says."""

    verdict = serializers.ChoiceField(choices=Verdict.choices)
    person = serializers.UUIDField(
        required=False, allow_null=True, help_text="With `same`, of several candidates: who it is."
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=NOTE_LENGTH)


class AssignmentSerializer(serializers.Serializer[Any]):
    """Who is to look at it."""

    to = serializers.CharField(
        allow_null=True, help_text="`me`, the id of a user who reviews the gallery, or null."
    )

    def validate_to(self, value: str | None) -> str | UUID | None:
        """`me`, nobody or an id."""
        if value in (None, "me"):
            return value
        found: UUID = serializers.UUIDField().run_validation(value)
        return found


class ReasonSerializer(serializers.Serializer[Any]):
    """Why, for the record; erased with whoever it is about."""

    reason = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=REASON_LENGTH
    )


DECIDING = {
    409: problem(
        "`review_state`, `opinion_given`, `review_assigned`; `merged`, `kept_apart`, `held`, "
        "`photo_state`: something else was decided meanwhile"
    ),
    422: problem("`who_is_it`"),
}


class ReviewViewSet(reviews_api.ReviewViewSet):
    """Reviews: doubtful searches, likely duplicates, photos that don't fit. For reviewers."""

    @extend_schema(
        summary="Decide a review, or say what you think if several have to agree",
        description="What follows is done at once: people are merged or kept apart, a photo counts "
        "or doesn't. Without effect on a review that is decided already.",
        request=DecisionSerializer,
        responses={200: ReviewSerializer, **DECIDING},
    )
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, **kwargs: Any) -> Response:
        """Same, different, or can't tell."""
        fields = _validated(DecisionSerializer, request)
        adjudication.decide(
            self.actor,
            self._review(),
            Verdict(fields["verdict"]),
            chosen=self._chosen(fields.get("person")),
            words=fields.get("note", ""),
        )
        return self._shown()

    @extend_schema(
        summary="Undo a decision: all that followed is taken back, and the review is open again",
        request=ReasonSerializer,
        responses={200: ReviewSerializer, **DECIDING},
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, **kwargs: Any) -> Response:
        """Take it back."""
        fields = _validated(ReasonSerializer, request)
        adjudication.undo(self.actor, self._review(), reason=fields["reason"])
        return self._shown()

    @extend_schema(
        summary="Assign a review",
        request=AssignmentSerializer,
        responses={
            200: ReviewSerializer,
            409: problem("`review_state`"),
            422: problem("`not_a_reviewer`"),
        },
    )
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, **kwargs: Any) -> Response:
        """To oneself, to another, to nobody."""
        to = _validated(AssignmentSerializer, request)["to"]
        whom = self.actor if to == "me" else None if to is None else user_actor(to)
        assign(self.actor, self._review(), whom)
        return self._shown()

    @extend_schema(summary="The face that was looked up: a JPEG", responses=JPEG)
    @action(detail=True, methods=["get"])
    def probe(self, request: Request, **kwargs: Any) -> HttpResponse:
        """Of a doubtful search, as long as it is kept."""
        jpeg = probe_of(self._review())
        if jpeg is None:
            raise NotFound("face of a search that is still kept")
        return jpeg_response(jpeg)

    def _chosen(self, public_id: UUID | None) -> Person | None:
        return person_for(self.actor, public_id, Role.REVIEWER) if public_id else None

    def _shown(self) -> Response:
        return Response(self.get_serializer(self._review()).data)


def _validated(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
