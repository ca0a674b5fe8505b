"""Galleries and people over HTTP."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin, ReadViewSet
from common.api import MetadataField, problem
from common.idempotency import idempotent

from . import services
from .access import gallery_for, require_member, visible_galleries
from .catalogue import described_models
from .models import Gallery, Held, Person, Role
from .selectors import person_for, visible_people

# Each word is a condition of the query, and SQLite takes a thousand of those at most.
MAX_SEARCH = 200


class GallerySerializer(serializers.ModelSerializer[Gallery]):
    """A gallery and its settings."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Gallery
        fields = [
            "id", "name", "slug", "description", "model", "min_face", "several_faces",
            "min_quality", "min_focus", "max_yaw", "min_brightness", "max_brightness",
            "min_contrast", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["created_at", "updated_at"]
        # A taken slug is a conflict (409), which the service reports.
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "slug": {"validators": []},
            "model": {
                "required": False,
                "help_text": "What makes its templates, one of `/models` that is installed. It is "
                "changed on the server, by a rebuild of the index. Default: that of new galleries.",
            },
        }


class GalleryUpdateSerializer(GallerySerializer):
    """What of a gallery can change: not its slug, which addresses may hold."""

    class Meta(GallerySerializer.Meta):
        read_only_fields = ["slug", "model", "created_at", "updated_at"]


class PersonSerializer(serializers.ModelSerializer[Person]):
    """Somebody in a gallery."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    gallery = serializers.UUIDField(source="gallery.public_id", read_only=True)
    external_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    name = serializers.CharField(max_length=300, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    metadata = MetadataField(required=False)
    merged_into = serializers.UUIDField(
        source="merged_into.public_id",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="Who they turned out to be; their photos are there.",
    )

    class Meta:
        model = Person
        fields = [
            "id", "gallery", "external_id", "name", "notes", "metadata", "active", "held",
            "merged_into", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["held", "created_at", "updated_at"]
        validators: list[Any] = []


class PersonCreateSerializer(PersonSerializer):
    """A new person."""

    gallery = serializers.UUIDField()

    class Meta(PersonSerializer.Meta):
        read_only_fields = ["active", "held", "created_at", "updated_at"]


# What a list of people can be asked for in one word; each person is in one of these.
STATES = ("active", "inactive", *Held.values)
ANY_HELD = "held"


class PersonFilter(django_filters.FilterSet):
    """`?gallery=&external_id=&active=&held=&state=&search=`.

    `search` looks in names and external ids.
    """

    state = django_filters.ChoiceFilter(
        choices=[(each, each) for each in (*STATES, ANY_HELD)],
        method="filter_state",
        help_text="`inactive`: by hand. The others out of searches say why; `held`: any of those.",
    )
    gallery = django_filters.UUIDFilter(field_name="gallery__public_id")
    search = django_filters.CharFilter(method="filter_search", max_length=MAX_SEARCH)

    class Meta:
        model = Person
        fields = ["external_id", "active", "held"]

    def filter_state(self, queryset: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        """People in this state."""
        if value == ANY_HELD:
            return queryset.filter(held__gt="")  # which an index has, unlike "not equal"
        if value in Held.values:
            return queryset.filter(held=value)
        return queryset.filter(active=value == "active", held="")

    def filter_search(self, queryset: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        """People in whose name or external id every word occurs."""
        for word in value.split():
            queryset = queryset.filter(Q(name__icontains=word) | Q(external_id__icontains=word))
        return queryset


@extend_schema_view(
    list=extend_schema(summary="List the galleries you have access to"),
    retrieve=extend_schema(summary="Show a gallery"),
)
class GalleryViewSet(ReadViewSet[Gallery]):
    """Galleries: sets of people searched together."""

    queryset = Gallery.objects.none()
    serializer_class = GallerySerializer

    def get_queryset(self) -> QuerySet[Gallery]:
        """Those that the caller may see."""
        return visible_galleries(self.actor)

    @extend_schema(
        summary="Make a gallery",
        description="For site administrators.",
        responses={
            201: GallerySerializer,
            409: problem("`slug_taken`"),
            422: problem("`unknown_model`, `unusable_model`, `model_changed`"),
        },
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Make a gallery."""
        serializer = GallerySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        gallery = services.create_gallery(self.actor, **serializer.validated_data)
        return Response(GallerySerializer(gallery).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a gallery's settings",
        request=GalleryUpdateSerializer,
        responses=GallerySerializer,
    )
    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Change settings."""
        gallery = gallery_for(self.actor, kwargs["id"], Role.ADMIN)
        serializer = GalleryUpdateSerializer(gallery, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        gallery = services.update_gallery(self.actor, gallery, **serializer.validated_data)
        return Response(GallerySerializer(gallery).data)

    @extend_schema(
        summary="Delete an empty gallery",
        responses={204: OpenApiResponse(), 409: problem("`gallery_not_empty`")},
    )
    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Delete it, if nobody is in it."""
        gallery = gallery_for(self.actor, kwargs["id"], Role.ADMIN)
        services.delete_gallery(self.actor, gallery)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelSerializer(serializers.Serializer[Any]):
    """A model: a detector and a network, which together make templates of photos."""

    name = serializers.CharField()
    title = serializers.CharField()
    licence = serializers.CharField()
    dimension = serializers.IntegerField(help_text="Length of a template.")
    installed = serializers.BooleanField()
    default = serializers.BooleanField(help_text="Whether new galleries get it.")
    measured = serializers.DictField(
        child=serializers.FloatField(), help_text="Figures of evaluations, such as `accuracy`."
    )


class ModelsSerializer(serializers.Serializer[Any]):
    """All models."""

    results = ModelSerializer(many=True)


class ModelsView(ActorMixin):
    """Models that galleries can have."""

    @extend_schema(
        operation_id="models_list", tags=["models"], summary="List the models there are",
        responses=ModelsSerializer,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """All pairs of a detector and a network, installed or not."""
        require_member(self.actor)
        return Response({"results": described_models()})


class PersonViewSet(ReadViewSet[Person]):
    """People, as far as no face is concerned; `enrolment.api` adds the rest."""

    queryset = Person.objects.none()
    serializer_class = PersonSerializer
    filterset_class = PersonFilter

    def get_queryset(self) -> QuerySet[Person]:
        """Those of the caller's galleries."""
        return visible_people(self.actor)

    def _person(self, role: Role) -> Person:
        return person_for(self.actor, self.kwargs["id"], role)
