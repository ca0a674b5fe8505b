"""Enrolment at a registration desk, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from common.api import UPLOAD_PROBLEMS, MetadataField, problem
from common.idempotency import idempotent
from identification.answers import candidate_figures
from identification.api import CandidateSerializer, verified
from people.access import gallery_for
from people.api import PersonSerializer
from people.models import Role
from photos.api import PhotoSerializer
from photos.selectors import photo_for
from thresholds.deciding import Decision

from .desk import Arrived, Enrolled, enrol_at_desk, likely, look_at


class DeskRequestSerializer(serializers.Serializer[Any]):
    """Who is to be enrolled, by a live photo and perhaps a document."""

    gallery = serializers.UUIDField()
    live = serializers.FileField(allow_empty_file=True, help_text="A photo taken now.")
    document = serializers.FileField(
        allow_empty_file=True,
        required=False,
        help_text="The photo of an identity document: compared, and not kept.",
    )
    name = serializers.CharField(max_length=300, required=False, allow_blank=True)
    external_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    metadata = serializers.CharField(required=False, help_text="A JSON object, as text.")

    def validate_metadata(self, value: str) -> dict[str, Any]:
        """The object that the text is."""
        try:
            found = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise serializers.ValidationError("Metadata is a JSON object.") from error
        checked: dict[str, Any] = MetadataField().run_validation(found)
        return checked


class DeskVerificationSerializer(serializers.Serializer[Any]):
    """How document and live photo compare."""

    score = serializers.FloatField()
    decision = serializers.ChoiceField(
        choices=[Decision.MATCH.value, Decision.NO_MATCH.value],
        allow_null=True,
        help_text="Null: no calibration.",
    )
    threshold = serializers.FloatField(allow_null=True)
    fmr = serializers.FloatField(allow_null=True)


class AlikeSerializer(serializers.Serializer[Any]):
    """What the lookup of the live photo found."""

    search = serializers.UUIDField()
    decision = serializers.ChoiceField(choices=[each.value for each in Decision], allow_null=True)
    likely = CandidateSerializer(many=True, help_text="Enrolled people whom it may be.")


class DeskAnswerSerializer(serializers.Serializer[Any]):
    """Somebody new. Until they have been looked for they are `held`, and not found."""

    person = PersonSerializer()
    photo = PhotoSerializer()
    verification = DeskVerificationSerializer(allow_null=True, help_text="Null: no document.")
    duplicates = AlikeSerializer(
        allow_null=True,
        help_text="Null: the index is away, so they are looked for later, before they are found.",
    )


class EnrolmentView(ActorMixin):
    """A registration desk."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="enrolments_create",
        tags=["people"],
        summary="Enrol somebody at a desk: document against live photo, then the gallery",
        description="Document and live photo are compared (1:1), the live one is looked up (1:N), "
        "and a person is made. What a worker finds then decides whether they are admitted: follow "
        "`held` and `active` of the person.",
        request={"multipart/form-data": DeskRequestSerializer},
        responses={
            202: DeskAnswerSerializer,
            **UPLOAD_PROBLEMS,
            409: problem("`likely_duplicate`, `external_id_taken`"),
            422: problem(
                "`document_required`, `identity_mismatch`, `not_calibrated`; `no_face`, "
                "`several_faces`, and what else is wrong with a photo"
            ),
        },
    )
    @idempotent
    def post(self, request: Request) -> Callable[[], Response]:
        """Refused, nobody is made. Sent again, nobody is made twice."""
        serializer = DeskRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        gallery = gallery_for(self.actor, fields.pop("gallery"), Role.OPERATOR)
        live, document = fields.pop("live").read(), fields.pop("document", None)
        arrived = look_at(self.actor, gallery, live, document.read() if document else None)

        def enrol() -> Response:
            enrolled = enrol_at_desk(self.actor, gallery, arrived, **fields)
            return Response(self._answer(enrolled), status=status.HTTP_202_ACCEPTED)

        return enrol

    def _answer(self, enrolled: Enrolled) -> dict[str, Any]:
        photo = photo_for(self.actor, enrolled.photo.public_id, Role.VIEWER)
        return {
            "person": PersonSerializer(enrolled.person).data,
            "photo": PhotoSerializer(photo).data,
            "verification": _verification(enrolled.found),
            "duplicates": _duplicates(enrolled.found),
        }


def _verification(arrived: Arrived) -> dict[str, Any] | None:
    found = arrived.verification
    if found is None:
        return None
    return {
        "score": found.score,
        "decision": verified(found),
        "threshold": found.threshold,
        "fmr": found.fmr,
    }


def _duplicates(arrived: Arrived) -> dict[str, Any] | None:
    search = arrived.search
    if search is None:
        return None
    return {
        "search": str(search.search),
        "decision": search.lookups[0].decision if search.lookups else None,
        "likely": [candidate_figures(each, rate) for each, rate in likely(search)],
    }
