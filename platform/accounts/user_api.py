"""Users over HTTP, for site administrators."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import problem
from common.errors import NotFound

from . import services
from .access import require_site_admin
from .api import ReadViewSet
from .models import User

MAX_SEARCH = 200
MAX_PASSWORD = 1_000


class UserSerializer(serializers.ModelSerializer[User]):
    """Somebody who signs in."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    active = serializers.BooleanField(source="is_active", required=False)
    is_site_admin = serializers.BooleanField(
        required=False, source="is_superuser", help_text="All galleries and the admin are theirs."
    )
    created_at = serializers.DateTimeField(source="date_joined", read_only=True)

    class Meta:
        model = User
        fields: ClassVar[list[str]] = [
            "id", "username", "first_name", "last_name", "email", "active", "is_site_admin",
            "last_login", "created_at",
        ]  # fmt: skip
        read_only_fields: ClassVar[list[str]] = ["last_login"]


class UserUpdateSerializer(serializers.ModelSerializer[User]):
    """What of somebody can change: not the name they sign in with."""

    active = serializers.BooleanField(source="is_active", required=False)
    is_site_admin = serializers.BooleanField(required=False)
    password = serializers.CharField(
        max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True, required=False
    )

    class Meta:
        model = User
        fields: ClassVar[list[str]] = [
            "first_name", "last_name", "email", "active", "is_site_admin", "password",
        ]  # fmt: skip


class UserCreateSerializer(serializers.ModelSerializer[User]):
    """Somebody new."""

    is_site_admin = serializers.BooleanField(default=False)
    password = serializers.CharField(
        max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True
    )

    class Meta:
        model = User
        fields: ClassVar[list[str]] = [
            "username", "first_name", "last_name", "email", "is_site_admin", "password",
        ]  # fmt: skip
        # A taken name is a conflict (409), which the service reports.
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "username": {"validators": [User.username_validator]}
        }


class UserFilter(django_filters.FilterSet):
    """`?active=&is_site_admin=&search=`; search looks in names and addresses."""

    active = django_filters.BooleanFilter(field_name="is_active")
    is_site_admin = django_filters.BooleanFilter(field_name="is_superuser")
    search = django_filters.CharFilter(method="filter_search", max_length=MAX_SEARCH)

    class Meta:
        model = User
        fields: ClassVar[list[str]] = []

    def filter_search(self, queryset: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        """Users in whose names or address every word occurs."""
        for word in value.split():
            queryset = queryset.filter(
                Q(username__icontains=word)
                | Q(first_name__icontains=word)
                | Q(last_name__icontains=word)
                | Q(email__icontains=word)
            )
        return queryset


@extend_schema_view(
    list=extend_schema(summary="List users"), retrieve=extend_schema(summary="Show a user")
)
class UserViewSet(ReadViewSet[User]):
    """People who sign in. They are deactivated, never deleted: the audit log names them."""

    queryset = User.objects.none()
    serializer_class = UserSerializer
    filterset_class = UserFilter

    def get_queryset(self) -> QuerySet[User]:
        """All of them. Raises Forbidden unless the caller is a site administrator."""
        require_site_admin(self.actor)
        return User.objects.all()

    @extend_schema(
        summary="Make a user",
        request=UserCreateSerializer,
        responses={201: UserSerializer, 409: problem("`username_taken`")},
    )
    def create(self, request: Request) -> Response:
        """Somebody who can sign in, and see nothing yet."""
        require_site_admin(self.actor)
        serializer = UserCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = services.create_user(self.actor, **serializer.validated_data)
        return Response(UserSerializer(user).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a user",
        description="`active: false` and a new `password` end all of their sessions.",
        request=UserUpdateSerializer,
        responses={200: UserSerializer, 409: problem("`last_site_admin`")},
    )
    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Change the account."""
        user = self.get_queryset().filter(public_id=kwargs["id"]).first()
        if user is None:
            raise NotFound("user")
        serializer = UserUpdateSerializer(user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        user = services.update_user(self.actor, user, **serializer.validated_data)
        return Response(UserSerializer(user).data)
