"""Enrolling over HTTP: people with their faces, photos uploaded, persons erased."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import UPLOAD_PROBLEMS, BoxField, ProblemSerializer, problem
from common.errors import Problem
from common.idempotency import idempotent
from common.parsers import JSONParser
from common.problems import problem_body
from people import api as people_api
from people import services as people_services
from people.access import gallery_for
from people.api import PersonCreateSerializer, PersonSerializer
from people.models import Held, Person, Role, SeveralFaces
from people.selectors import person_for
from photos import api as photos_api
from photos.api import PhotoSerializer
from photos.intake import examine
from photos.models import Photo
from photos.selectors import Pictured, photo_for, pictured
from photos.services import process_again, receive
from reviews.models import Kind

from . import services
from .identity_api import IdentityMixin


class ChoiceSerializer(serializers.Serializer[Any]):
    """Which face of a photo is meant when it shows several."""

    several_faces = serializers.ChoiceField(
        choices=SeveralFaces.choices,
        required=False,
        help_text="Overrides the gallery's policy for this photo.",
    )
    box = BoxField(
        required=False,
        source="face_box",
        help_text="The face meant, in pixels upright.",
    )


class PhotoUploadSerializer(ChoiceSerializer):
    """A photo for a person."""

    person = serializers.UUIDField()
    photo = serializers.FileField(allow_empty_file=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what would otherwise be dropped without a word."""
        if len(self.initial_data.getlist("photo")) > 1:
            raise serializers.ValidationError(
                {"photo": "Send one file here, or many to /photos/batch."}
            )
        return attrs


class PhotoBatchSerializer(serializers.Serializer[Any]):
    """Many photos for a person."""

    person = serializers.UUIDField()
    photos = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True),
        min_length=1,
        max_length=settings.MAX_FILES_PER_UPLOAD,
    )
    several_faces = serializers.ChoiceField(choices=SeveralFaces.choices, required=False)


class BatchResultSerializer(serializers.Serializer[Any]):
    """What became of one file: a photo, or a problem."""

    index = serializers.IntegerField()
    status = serializers.IntegerField(help_text="What a request with this file alone would get.")
    photo = PhotoSerializer(required=False)
    problem = ProblemSerializer(required=False)


class BatchSerializer(serializers.Serializer[Any]):
    """One result a file, in their order."""

    results = BatchResultSerializer(many=True)


class ResemblingSerializer(serializers.Serializer[Any]):
    """Somebody enrolled whom a person resembles."""

    person = serializers.UUIDField(source="person.public_id")
    score = serializers.FloatField()
    stranger_rate = serializers.FloatField()


class DoubtSerializer(serializers.Serializer[Any]):
    """Why somebody new is held."""

    review = serializers.UUIDField(source="public_id", help_text="For reviewers.")
    resembling = ResemblingSerializer(many=True, source="candidates.all")


class PicturedListSerializer(serializers.ListSerializer[Any]):
    """People of a page: what there is of photos is asked for all of them at once."""

    def to_representation(self, data: Any) -> list[Any]:
        """Their members."""
        people = list(data)
        self.context["pictured"] = pictured(people)
        return super().to_representation(people)


class PicturedPersonSerializer(PersonSerializer):
    """Somebody in a gallery, with how many photos there are of them, and the best face."""

    photos = serializers.SerializerMethodField(help_text="How many, in whatever state.")
    portrait = serializers.SerializerMethodField(
        help_text="Their best enrolled face, see `/faces/{id}/image`; null without one."
    )

    class Meta(PersonSerializer.Meta):
        fields = [*PersonSerializer.Meta.fields, "photos", "portrait"]
        list_serializer_class = PicturedListSerializer

    def get_photos(self, person: Person) -> int:
        """How many."""
        return self._pictured(person).photos

    def get_portrait(self, person: Person) -> UUID | None:
        """The face's id."""
        return self._pictured(person).portrait

    def _pictured(self, person: Person) -> Pictured:
        known: dict[int, Pictured] = self.context.setdefault("pictured", {})
        if person.pk not in known:
            known.update(pictured([person]))
        return known.get(person.pk, Pictured())


class PersonDetailSerializer(PicturedPersonSerializer):
    """Somebody in a gallery, and whom they resemble if they are held for it."""

    doubt = serializers.SerializerMethodField(
        help_text="Whom they resemble, while they are `duplicate` or `refused`; else null."
    )

    class Meta(PicturedPersonSerializer.Meta):
        fields = [*PicturedPersonSerializer.Meta.fields, "doubt"]

    @extend_schema_field(DoubtSerializer(allow_null=True))
    def get_doubt(self, person: Person) -> Any:
        """The latest review of whether they are somebody else."""
        if person.held not in (Held.DUPLICATE, Held.REFUSED):
            return None
        reviews = person.reviews.filter(kind=Kind.DUPLICATE).order_by("-pk")
        latest = reviews.prefetch_related("candidates__person").first()
        return None if latest is None else DoubtSerializer(latest).data


@extend_schema_view(
    list=extend_schema(
        summary="List and search people",
        description="`search` finds people in whose name or external id every word occurs.",
        responses=PicturedPersonSerializer,
    ),
    retrieve=extend_schema(
        summary="Show a person, and why they are held", responses=PersonDetailSerializer
    ),
)
class PersonViewSet(IdentityMixin, people_api.PersonViewSet):
    """People: who can be found, and who turned out to be whom."""

    def get_serializer_class(self) -> type[PersonSerializer]:
        """Those of a list come with a face; one alone with the reason why they are held, too."""
        kinds = {"list": PicturedPersonSerializer, "retrieve": PersonDetailSerializer}
        return kinds.get(self.action, PersonSerializer)

    @extend_schema(
        summary="Add a person",
        request=PersonCreateSerializer,
        responses={201: PersonSerializer, 409: problem("`external_id_taken`")},
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Add somebody; their photos come next."""
        serializer = PersonCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        gallery = gallery_for(self.actor, fields.pop("gallery"), Role.OPERATOR)
        person = people_services.create_person(self.actor, gallery, **fields)
        return Response(PersonSerializer(person).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a person",
        description="`active: false` takes the person out of searches and keeps everything.",
        request=PersonSerializer,
        responses={200: PersonSerializer, 409: problem("`external_id_taken`")},
    )
    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Change what is known, or whether searches find them."""
        person = self._person(Role.OPERATOR)
        serializer = PersonSerializer(person, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        person = services.change_person(self.actor, person, **serializer.validated_data)
        return Response(PersonSerializer(person).data)

    @extend_schema(
        summary="Erase a person",
        description="Rows, files, templates and index entries; the ledger keeps ids only.",
        responses={204: OpenApiResponse()},
    )
    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Erase for good."""
        services.erase(self.actor, self._person(Role.ADMIN))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(
    list=extend_schema(summary="List photos"),
    retrieve=extend_schema(summary="Show a photo, its state and its faces"),
)
class PhotoViewSet(photos_api.PhotoViewSet):
    """Photos: uploaded, processed by workers, enrolled or rejected with a reason."""

    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(
        summary="Upload a photo for a person",
        description="202: a worker will take it, ask again for its state. 200: it was there. A "
        "rejected photo sent again with another `several_faces` or `box` is processed again.",
        request={"multipart/form-data": PhotoUploadSerializer},
        responses={202: PhotoSerializer, 200: PhotoSerializer, **UPLOAD_PROBLEMS},
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Take a photo."""
        serializer = PhotoUploadSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        person = person_for(self.actor, fields.pop("person"), Role.OPERATOR)
        photo, accepted = self._receive(person, fields.pop("photo"), fields)
        return Response(PhotoSerializer(photo).data, status=_upload_status(accepted))

    @extend_schema(
        summary="Upload many photos for a person",
        description="Each file gets its own result; a bad one stops no other.",
        request={"multipart/form-data": PhotoBatchSerializer},
        responses={202: BatchSerializer},
    )
    @action(detail=False, methods=["post"])
    @idempotent
    def batch(self, request: Request) -> Response:
        """Take many."""
        serializer = PhotoBatchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        person = person_for(self.actor, fields.pop("person"), Role.OPERATOR)
        files = fields.pop("photos")
        results = [
            {"index": index, **self._result(person, upload, fields)}
            for index, upload in enumerate(files)
        ]
        return Response({"results": results}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Process a rejected or quarantined photo again",
        request=ChoiceSerializer,
        responses={202: PhotoSerializer, 409: problem("`photo_state`")},
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def process(self, request: Request, **kwargs: Any) -> Response:
        """With another choice among several faces, perhaps."""
        serializer = ChoiceSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        photo = self._photo(Role.OPERATOR)
        process_again(self.actor, photo, **serializer.validated_data)
        return Response(PhotoSerializer(self._photo(Role.VIEWER)).data, status=202)

    @extend_schema(
        summary="Delete a photo",
        description="The person's template is made anew without it.",
        responses={204: OpenApiResponse()},
    )
    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Delete it with its faces, and its file if no other photo is the same."""
        services.delete_photo(self.actor, self._photo(Role.OPERATOR))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _receive(
        self, person: Person, upload: UploadedFile, fields: dict[str, Any]
    ) -> tuple[Photo, bool]:
        intake = examine(upload.read())
        photo, accepted = receive(self.actor, person.gallery, person, intake, **fields)
        return photo_for(self.actor, photo.public_id, Role.VIEWER), accepted

    def _result(
        self, person: Person, upload: UploadedFile, fields: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            photo, accepted = self._receive(person, upload, fields)
        except Problem as trouble:
            return {"status": int(trouble.http_status), "problem": problem_body(trouble)}
        return {"status": _upload_status(accepted), "photo": PhotoSerializer(photo).data}


def _upload_status(accepted: bool) -> int:  # noqa: FBT001 - its only argument
    return status.HTTP_202_ACCEPTED if accepted else status.HTTP_200_OK
