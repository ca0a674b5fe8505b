"""The roles of users in galleries over HTTP, for administrators of these galleries."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ReadViewSet
from accounts.models import User
from common.api import problem
from common.errors import Conflict, NotFound, Unprocessable

from . import services
from .access import gallery_for
from .models import Membership, Role
from .selectors import visible_members


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """A user's role in a gallery."""

    gallery = serializers.UUIDField(source="gallery.public_id", read_only=True)
    user = serializers.UUIDField(source="user.public_id", read_only=True)
    username = serializers.CharField(source="user.username", read_only=True)
    name = serializers.CharField(source="user.get_full_name", read_only=True)
    active = serializers.BooleanField(
        source="user.is_active", read_only=True, help_text="Whether they can sign in."
    )

    class Meta:
        model = Membership
        fields: ClassVar[list[str]] = [
            "id", "gallery", "user", "username", "name", "active", "role",
        ]  # fmt: skip


class MemberCreateSerializer(serializers.Serializer[Any]):
    """Who becomes what where."""

    gallery = serializers.UUIDField()
    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)


class MemberUpdateSerializer(serializers.Serializer[Any]):
    """Another role."""

    role = serializers.ChoiceField(choices=Role.choices)


class MemberFilter(django_filters.FilterSet):
    """`?gallery=&user=&role=`."""

    gallery = django_filters.UUIDFilter(field_name="gallery__public_id")
    user = django_filters.UUIDFilter(field_name="user__public_id")

    class Meta:
        model = Membership
        fields: ClassVar[list[str]] = ["role"]


@extend_schema_view(
    list=extend_schema(summary="List the members of galleries that you administer"),
    retrieve=extend_schema(summary="Show a member"),
)
class MemberViewSet(ReadViewSet[Membership]):
    """Which user may do what where. Keys have their role with them."""

    queryset = Membership.objects.none()
    serializer_class = MemberSerializer
    filterset_class = MemberFilter
    lookup_field = "pk"
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Membership]:
        """Those of the galleries that the caller administers."""
        return visible_members(self.actor)

    @extend_schema(
        summary="Let a user into a gallery",
        request=MemberCreateSerializer,
        responses={
            201: MemberSerializer,
            409: problem("`already_member`: change the role instead"),
            422: problem("`unknown_user`"),
        },
    )
    def create(self, request: Request) -> Response:
        """Give somebody a first role."""
        serializer = MemberCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        gallery = gallery_for(self.actor, given["gallery"], Role.ADMIN)
        user = User.objects.filter(username=given["username"]).first()
        if user is None:
            raise Unprocessable(
                "Nobody has this user name. A site administrator makes users.", code="unknown_user"
            )
        if Membership.objects.filter(gallery=gallery, user=user).exists():
            raise Conflict("They are a member; change the role.", code="already_member")
        member = services.grant_role(self.actor, gallery, user, Role(given["role"]))
        return Response(MemberSerializer(member).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a member's role",
        request=MemberUpdateSerializer,
        responses=MemberSerializer,
    )
    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Give another role instead."""
        member, user = self._member(kwargs["id"])
        serializer = MemberUpdateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        role = Role(serializer.validated_data["role"])
        member = services.grant_role(self.actor, member.gallery, user, role)
        return Response(MemberSerializer(member).data)

    @extend_schema(summary="Take a member's role away", responses={204: OpenApiResponse()})
    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """They see nothing of the gallery from then on."""
        member, user = self._member(kwargs["id"])
        services.revoke_role(self.actor, member.gallery, user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _member(self, pk: int) -> tuple[Membership, User]:
        member = self.get_queryset().filter(pk=pk).first()
        if member is None or member.user is None:
            raise NotFound("member")
        return member, member.user
