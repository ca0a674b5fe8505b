"""Identify, verify and detect over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from common.api import UPLOAD_PROBLEMS, BoxField, BoxSerializer, problem
from embedder.types import Box
from people.access import galleries_for
from people.models import MODEL_LENGTH, Role
from people.selectors import person_for
from thresholds.deciding import Decision

from . import services, verification
from .answers import (
    detection_figures,
    face_figures,
    fault_figures,
    identification_figures,
    photo_figures,
)
from .models import REASON_LENGTH
from .services import FoundFace, Probes
from .verification import Verification

MAX_GALLERIES = 20
MAX_TOP_K = 100
MAX_PEOPLE = 1_000


class IdsField(serializers.ListField):
    """Ids, each in a form field of its own or several in one, with commas between them."""

    def to_internal_value(self, data: list[Any]) -> list[Any]:
        """The ids, one by one."""
        return super().to_internal_value(
            [part.strip() for each in data for part in str(each).split(",") if part.strip()]
        )


class ModelField(serializers.CharField):
    """The name of an installed model, for calls that have no gallery to say it."""

    def __init__(self) -> None:
        super().__init__(
            default="",
            max_length=MODEL_LENGTH,
            help_text="One of `/models` that is installed. Default: that of new galleries.",
        )


class LookupOptionsSerializer(serializers.Serializer[Any]):
    """Where to search, and what for."""

    galleries = IdsField(child=serializers.UUIDField(), min_length=1, max_length=MAX_GALLERIES)
    top_k = serializers.IntegerField(
        min_value=1, max_value=MAX_TOP_K, default=5, help_text="Candidates for each face."
    )
    faces = serializers.ChoiceField(
        choices=[each.value for each in Probes],
        default=Probes.ALL.value,
        help_text="Which of the faces found to look up.",
    )
    people = IdsField(
        child=serializers.UUIDField(),
        required=False,
        min_length=1,
        max_length=MAX_PEOPLE,
        help_text="Search among these people alone.",
    )
    reason = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=REASON_LENGTH,
        help_text="Why, or a case number; for the search log. Some galleries want it.",
    )
    any_quality = serializers.BooleanField(
        default=False, help_text="Decide on faces that are too poor to be compared, too."
    )


class IdentifyRequestSerializer(LookupOptionsSerializer):
    """A photo, and where to search."""

    photo = serializers.FileField(allow_empty_file=True)
    box = BoxField(required=False, help_text="Look up only the face in this box.")


class VerifyRequestSerializer(serializers.Serializer[Any]):
    """Two photos, each with one face; or one, and an enrolled person."""

    first = serializers.FileField(allow_empty_file=True)
    second = serializers.FileField(allow_empty_file=True, required=False)
    person = serializers.UUIDField(required=False, help_text="In place of the second photo.")
    model = ModelField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two, and a model only where no gallery says it."""
        if ("second" in attrs) == ("person" in attrs):
            raise serializers.ValidationError(
                "Send a second photo or a person's id: one of them, and not both."
            )
        if "person" in attrs and attrs["model"]:
            raise serializers.ValidationError("A person's gallery says the model. Leave it out.")
        return attrs


class DetectRequestSerializer(serializers.Serializer[Any]):
    """A photo."""

    photo = serializers.FileField(allow_empty_file=True)
    model = ModelField()


class PhotoInfoSerializer(serializers.Serializer[Any]):
    """What was sent, upright, in pixels."""

    width = serializers.IntegerField()
    height = serializers.IntegerField()
    format = serializers.CharField()
    first_frame_only = serializers.BooleanField()


class DetectionSerializer(serializers.Serializer[Any]):
    """A face found."""

    box = BoxSerializer()
    landmarks = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    detector_score = serializers.FloatField()


class FaultSerializer(serializers.Serializer[Any]):
    """Why a face isn't fit to be enrolled."""

    code = serializers.CharField(help_text="Those of rejected photos, such as `blurred`.")
    text = serializers.CharField()


class JudgedSerializer(DetectionSerializer):
    """A face found, its quality, and what is wrong with it."""

    quality = serializers.DictField(child=serializers.FloatField())
    quality_problems = FaultSerializer(
        many=True, help_text="Why it would not be enrolled; empty when it would."
    )


class CandidatePersonSerializer(serializers.Serializer[Any]):
    """Who it may be."""

    id = serializers.UUIDField()
    gallery = serializers.UUIDField()
    external_id = serializers.CharField()
    name = serializers.CharField()


class EvidenceSerializer(serializers.Serializer[Any]):
    """The enrolled face most like the probe."""

    face = serializers.UUIDField()
    photo = serializers.UUIDField()
    score = serializers.FloatField()


class CandidateSerializer(serializers.Serializer[Any]):
    """A person with the exact score (cosine, -1 to 1) of their template."""

    person = CandidatePersonSerializer()
    score = serializers.FloatField()
    stranger_rate = serializers.FloatField(
        allow_null=True,
        help_text="How likely somebody who is not enrolled would score so high in this search.",
    )
    evidence = EvidenceSerializer(allow_null=True)


class LookupSerializer(JudgedSerializer):
    """A face looked up."""

    decision = serializers.ChoiceField(
        choices=[each.value for each in Decision],
        allow_null=True,
        help_text="Null: there is no calibration of the gallery's model.",
    )
    margin = serializers.FloatField(
        allow_null=True,
        help_text="How many times likelier a stranger the second candidate is than the first.",
    )
    candidates = CandidateSerializer(many=True)
    review = serializers.UUIDField(
        allow_null=True,
        help_text="Where a reviewer decides it, if the gallery queues doubtful ones.",
    )


class LimitsSerializer(serializers.Serializer[Any]):
    """What the decisions of a lookup follow from."""

    tier = serializers.IntegerField(help_text="For how many people the thresholds are good.")
    match = serializers.FloatField(help_text="From this score on. Above 1: nobody can match.")
    review = serializers.FloatField(help_text="From this score on a person decides.")
    margin = serializers.FloatField()
    calibrations = serializers.ListField(child=serializers.UUIDField())
    overridden = serializers.BooleanField(help_text="Whether a score was set by hand.")


class IdentificationSerializer(serializers.Serializer[Any]):
    """The answer to a lookup.

    `searched` is N, the number of people compared with; in galleries of 1,000 and more a second old
    for each 10,000 people, half a minute at most. `wait` in `timings_ms` is for other lookups.
    """

    search = serializers.UUIDField(help_text="The entry of the search log, see `/searches`.")
    photo = PhotoInfoSerializer()
    model = serializers.CharField()
    searched = serializers.IntegerField()
    not_searched = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Of `people`, those whom searches don't find: held, or out of searches.",
    )
    thresholds = LimitsSerializer(
        allow_null=True,
        help_text="Null: no calibration of the model, so no decisions; `manage.py calibrate`.",
    )
    faces = LookupSerializer(many=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())


class VerifiedFaceSerializer(DetectionSerializer):
    """The face of one of the two photos."""

    photo = PhotoInfoSerializer()
    quality = serializers.DictField(child=serializers.FloatField())


class VerificationSerializer(serializers.Serializer[Any]):
    """The score (cosine, -1 to 1) of two faces."""

    score = serializers.FloatField()
    decision = serializers.ChoiceField(
        choices=[Decision.MATCH.value, Decision.NO_MATCH.value],
        allow_null=True,
        help_text="Null: there is no calibration of the model.",
    )
    threshold = serializers.FloatField(allow_null=True, help_text="A match from this score on.")
    fmr = serializers.FloatField(
        allow_null=True, help_text="How often photos of two people score as high."
    )
    model = serializers.CharField()
    faces = VerifiedFaceSerializer(many=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())


class DetectedSerializer(serializers.Serializer[Any]):
    """The faces found, widest first."""

    photo = PhotoInfoSerializer()
    model = serializers.CharField()
    faces = JudgedSerializer(many=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())


FACE_PROBLEMS = {
    422: problem(
        "`undecodable`, `too_many_pixels`, `bad_dimensions`; `no_face`, `several_faces`; "
        "`unknown_model`; "
        "`blurred`, `profile`, `too_dark`, `too_bright`, `low_contrast`, `poor_quality`"
    )
}
INDEX_PROBLEMS = {503: problem("`index_unavailable`, `index_not_ready`: try again, never a no")}


class IdentifyView(ActorMixin):
    """1:N."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="identify",
        tags=["identify"],
        summary="Who is it? Look up the faces of a photo in galleries (1:N)",
        request={"multipart/form-data": IdentifyRequestSerializer},
        responses={200: IdentificationSerializer, **UPLOAD_PROBLEMS, **INDEX_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """No face found is 200 with `faces: []`."""
        serializer = IdentifyRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        answer = services.identify(
            self.actor,
            galleries_for(self.actor, fields["galleries"], Role.VIEWER),
            fields["photo"].read(),
            top_k=fields["top_k"],
            faces=Probes(fields["faces"]),
            box=Box(**fields["box"]) if "box" in fields else None,
            any_quality=fields["any_quality"],
            among=fields.get("people"),
            reason=fields["reason"],
        )
        return Response(identification_figures(answer))


class VerifyView(ActorMixin):
    """1:1."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="verify",
        tags=["identify"],
        summary="Is it the same person? Compare a photo with another, or with a person (1:1)",
        request={"multipart/form-data": VerifyRequestSerializer},
        responses={200: VerificationSerializer, **UPLOAD_PROBLEMS, **FACE_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """A photo without exactly one face, or with one too poor to compare, is a 422."""
        serializer = VerifyRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        answer = self._answer(fields)
        faces = [
            {"photo": photo_figures(info), **face_figures(face)}
            for face, info in zip(answer.faces, answer.infos, strict=True)
        ]
        return Response(
            {
                "score": answer.score,
                "decision": verified(answer),
                "threshold": answer.threshold,
                "fmr": answer.fmr,
                "model": answer.model,
                "faces": faces,
                "timings_ms": answer.timings,
            }
        )

    def _answer(self, fields: dict[str, Any]) -> Verification:
        first = fields["first"].read()
        if "person" in fields:
            person = person_for(self.actor, fields["person"], Role.VIEWER)
            return verification.verify_person(self.actor, person, first)
        return verification.verify(
            self.actor, first, fields["second"].read(), model=fields["model"]
        )


class DetectView(ActorMixin):
    """Faces only."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="detect",
        tags=["identify"],
        summary="Where are faces? Find them on a photo",
        request={"multipart/form-data": DetectRequestSerializer},
        responses={200: DetectedSerializer, **UPLOAD_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """No face found is 200 with `faces: []`."""
        serializer = DetectRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        answer = services.detect(self.actor, fields["photo"].read(), model=fields["model"])
        return Response(
            {
                "photo": photo_figures(answer.info),
                "model": answer.model,
                "faces": [_judged(each) for each in answer.faces],
                "timings_ms": answer.timings,
            }
        )


def _judged(face: FoundFace) -> dict[str, Any]:
    return {
        **detection_figures(face.detection),
        "quality": face.quality.as_dict(),
        "quality_problems": fault_figures(face.faults),
    }


def verified(answer: Verification) -> str | None:
    """Its decision; None without a calibration."""
    if answer.threshold is None:
        return None
    return (Decision.MATCH if answer.score >= answer.threshold else Decision.NO_MATCH).value
