"""API keys over HTTP, for administrators of their galleries."""

from typing import Any, ClassVar

import django_filters
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ReadViewSet
from accounts.models import ApiKey
from common.errors import NotFound
from common.pagination import CursorPagination

from . import services
from .access import gallery_for
from .models import Role
from .selectors import visible_keys

STATES = ("valid", "revoked", "expired")


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A machine's key; its secret is in the answer that made it, and nowhere else."""

    id = serializers.CharField(source="prefix", read_only=True, help_text="Its first letters.")
    gallery = serializers.UUIDField(source="membership.gallery.public_id", read_only=True)
    role = serializers.ChoiceField(source="membership.role", choices=Role.choices, read_only=True)
    state = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="created", read_only=True)
    expires_at = serializers.DateTimeField(source="expiry_date", read_only=True, allow_null=True)

    class Meta:
        model = ApiKey
        fields: ClassVar[list[str]] = [
            "id", "name", "gallery", "role", "state", "created_at", "expires_at",
        ]  # fmt: skip

    def get_state(self, key: ApiKey) -> str:
        """Whether it works: `valid`, `revoked` or `expired`."""
        if key.revoked:
            return "revoked"
        return "expired" if key.has_expired else "valid"


class NewKeySerializer(KeySerializer):
    """A key that was just made."""

    secret = serializers.CharField(help_text="What the machine sends. It is not shown again.")

    class Meta(KeySerializer.Meta):
        fields: ClassVar[list[str]] = [*KeySerializer.Meta.fields, "secret"]


class KeyCreateSerializer(serializers.Serializer[Any]):
    """What a key is for."""

    gallery = serializers.UUIDField()
    role = serializers.ChoiceField(choices=Role.choices)
    name = serializers.CharField(max_length=50, help_text="The machine that will use it.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_expires_at(self, value: Any) -> Any:
        """A key that works at all."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This is over already.")
        return value


class KeyFilter(django_filters.FilterSet):
    """`?gallery=&state=`."""

    gallery = django_filters.UUIDFilter(field_name="membership__gallery__public_id")
    state = django_filters.ChoiceFilter(
        choices=[(each, each) for each in STATES], method="filter_state"
    )

    class Meta:
        model = ApiKey
        fields: ClassVar[list[str]] = []

    def filter_state(self, queryset: QuerySet[ApiKey], name: str, value: str) -> QuerySet[ApiKey]:
        """Those that work, or don't."""
        if value == "revoked":
            return queryset.filter(revoked=True)
        over = Q(expiry_date__isnull=False, expiry_date__lt=timezone.now())
        return queryset.filter(over if value == "expired" else ~over, revoked=False)


class ByMembership(CursorPagination):
    """Newest first. A key's own primary key is in no order; that of its role is."""

    ordering = "-place"


@extend_schema_view(
    list=extend_schema(summary="List the API keys of galleries that you administer"),
    retrieve=extend_schema(summary="Show an API key"),
)
class KeyViewSet(ReadViewSet[ApiKey]):
    """Keys of machines."""

    queryset = ApiKey.objects.none()
    serializer_class = KeySerializer
    filterset_class = KeyFilter
    pagination_class = ByMembership
    lookup_field = "prefix"
    lookup_value_converter = "str"

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Those of the galleries that the caller administers."""
        return visible_keys(self.actor).annotate(place=F("membership__id"))

    # Not idempotent: that would keep the secret.
    @extend_schema(
        summary="Make an API key", request=KeyCreateSerializer, responses={201: NewKeySerializer}
    )
    def create(self, request: Request) -> Response:
        """Make one; the answer alone has the secret."""
        serializer = KeyCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        gallery = gallery_for(self.actor, given.pop("gallery"), Role.ADMIN)
        given["role"] = Role(given["role"])
        secret = services.issue_api_key(self.actor, gallery, **given)
        key = self.get_queryset().get(prefix=secret.partition(".")[0])
        body = {**KeySerializer(key).data, "secret": secret}
        headers = {"Cache-Control": "no-store"}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(summary="Revoke an API key, for good", responses={204: OpenApiResponse()})
    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Whoever uses it is refused from then on; it stays in the list."""
        key = self.get_queryset().filter(prefix=kwargs["id"]).first()
        if key is None:
            raise NotFound("API key")
        services.revoke_api_key(self.actor, key.membership.gallery, key.prefix)
        return Response(status=status.HTTP_204_NO_CONTENT)
