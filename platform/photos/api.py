"""Photos and faces over HTTP, to read. Uploading and deleting touch people: `enrolment.api`."""

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.api import ReadViewSet
from common.api import BoxSerializer
from common.errors import NotFound
from people.models import Role

from .models import Face, Photo
from .renditions import face_jpeg, open_original, photo_jpeg
from .selectors import photo_for, visible_faces, visible_photos

JPEG = {(200, "image/jpeg"): OpenApiTypes.BINARY}


class FaceSerializer(serializers.ModelSerializer[Face]):
    """A face on a photo, in pixels of the upright photo."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    photo = serializers.UUIDField(source="photo.public_id", read_only=True)
    box = serializers.SerializerMethodField()
    landmarks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="Left eye, right eye, nose, left and right mouth corner, as seen.",
        read_only=True,
    )
    quality = serializers.DictField(child=serializers.FloatField(), read_only=True)
    enrolled = serializers.SerializerMethodField(
        help_text="Whether it is part of the person's template."
    )
    unused_because = serializers.CharField(read_only=True)

    class Meta:
        model = Face
        fields = [
            "id", "photo", "box", "landmarks", "detector_score", "quality", "model", "enrolled",
            "unused_because",
        ]  # fmt: skip

    @extend_schema_field(BoxSerializer)
    def get_box(self, face: Face) -> dict[str, float]:
        """Where it is."""
        return {"x": face.x, "y": face.y, "width": face.width, "height": face.height}

    def get_enrolled(self, face: Face) -> bool:
        """Whether it counts."""
        return face.template_id is not None


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    """A photo, where it is on its way, and the faces found on it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    gallery = serializers.UUIDField(source="gallery.public_id", read_only=True)
    person = serializers.UUIDField(source="person.public_id", read_only=True, allow_null=True)
    sha256 = serializers.CharField(source="original.sha256", read_only=True)
    width = serializers.IntegerField(source="original.width", read_only=True)
    height = serializers.IntegerField(source="original.height", read_only=True)
    first_frame_only = serializers.SerializerMethodField(
        help_text="The file is an animation; its first frame counts."
    )
    searchable = serializers.SerializerMethodField(
        help_text="Whether searches already find the person with this photo's face."
    )
    faces = FaceSerializer(many=True, read_only=True)

    class Meta:
        model = Photo
        fields = [
            "id", "gallery", "person", "state", "code", "text", "searchable", "sha256", "width",
            "height", "first_frame_only", "source", "several_faces", "face_box", "faces",
            "created_at", "processed_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_first_frame_only(self, photo: Photo) -> bool:
        """Whether there are more frames than one."""
        return photo.original.frames > 1

    def get_searchable(self, photo: Photo) -> bool:
        """Whether the index has caught up."""
        return any(face.template.searchable for face in photo.faces.all() if face.template)


class PhotoFilter(django_filters.FilterSet):
    """`?gallery=&person=&state=&code=`."""

    gallery = django_filters.UUIDFilter(field_name="gallery__public_id")
    person = django_filters.UUIDFilter(field_name="person__public_id")

    class Meta:
        model = Photo
        fields = ["state", "code"]


class FaceFilter(django_filters.FilterSet):
    """`?photo=&person=`."""

    photo = django_filters.UUIDFilter(field_name="photo__public_id")
    person = django_filters.UUIDFilter(field_name="photo__person__public_id")

    class Meta:
        model = Face
        fields: list[str] = []


class PhotoViewSet(ReadViewSet[Photo]):
    """Photos, to read."""

    queryset = Photo.objects.none()
    serializer_class: Any = PhotoSerializer
    filterset_class = PhotoFilter

    def get_queryset(self) -> QuerySet[Photo]:
        """Those of the caller's galleries."""
        return visible_photos(self.actor)

    def _photo(self, role: Role) -> Photo:
        return photo_for(self.actor, self.kwargs["id"], role)

    @extend_schema(summary="The photo for display: a JPEG without metadata", responses=JPEG)
    @action(detail=True, methods=["get"])
    def image(self, request: Request, **kwargs: Any) -> HttpResponse:
        """Decoded and encoded again, so that nothing of the sender's file is shown but pixels."""
        photo = self._photo(Role.VIEWER)
        return jpeg_response(photo_jpeg(photo))

    @extend_schema(
        summary="The file as it was sent, to save",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["get"])
    def original(self, request: Request, **kwargs: Any) -> FileResponse:
        """An attachment, never shown inline: it may be more than a photo."""
        photo = self._photo(Role.OPERATOR)
        return FileResponse(
            open_original(photo.original),
            as_attachment=True,
            filename=f"{photo.public_id}{photo.original.extension}",
            content_type="application/octet-stream",
        )


@extend_schema_view(
    list=extend_schema(summary="List the faces found on photos"),
    retrieve=extend_schema(summary="Show a face"),
)
class FaceViewSet(ReadViewSet[Face]):
    """Faces found on photos."""

    queryset = Face.objects.none()
    serializer_class = FaceSerializer
    filterset_class = FaceFilter

    def get_queryset(self) -> QuerySet[Face]:
        """Those on the photos of the caller's galleries."""
        return visible_faces(self.actor)

    @extend_schema(summary="The face, cut out of its photo: a JPEG", responses=JPEG)
    @action(detail=True, methods=["get"])
    def image(self, request: Request, **kwargs: Any) -> HttpResponse:
        """The box with a quarter of its size around it."""
        face = _visible_face(self.get_queryset(), kwargs["id"])
        return jpeg_response(face_jpeg(face))


def _visible_face(faces: QuerySet[Face], public_id: UUID) -> Face:
    face = faces.filter(public_id=public_id).first()
    if face is None:
        raise NotFound("face")
    return face


def jpeg_response(content: bytes) -> HttpResponse:
    """A picture, which the browser may keep for a while."""
    return HttpResponse(
        content, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"}
    )
