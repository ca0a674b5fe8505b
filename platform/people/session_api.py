"""The session of a browser: who is signed in, and where they may do what."""

from typing import Any

from django.contrib.auth import logout
from django.middleware.csrf import get_token
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actors import actor_of
from accounts.authentication import SessionAuthentication
from accounts.models import User
from accounts.sign_in import change_own_password, sign_in
from common.api import problem
from common.release import likeness_version

from .access import roles_of
from .models import Role

MAX_PASSWORD = 1_000
TOO_MANY = {429: problem("`too_many_attempts`: after `Retry-After` seconds")}


class SignInSerializer(serializers.Serializer[Any]):
    """A name and a password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False)


class PasswordChangeSerializer(serializers.Serializer[Any]):
    """The password so far, and the one from now on."""

    old = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False)
    new = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False)


class SessionUserSerializer(serializers.Serializer[Any]):
    """Who is signed in."""

    id = serializers.UUIDField(source="public_id")
    username = serializers.CharField()
    name = serializers.CharField(help_text="The full name; of who has none, the user name.")
    is_site_admin = serializers.BooleanField(source="is_superuser")


class SessionGallerySerializer(serializers.Serializer[Any]):
    """A gallery, and one's role there."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)


class SessionSerializer(serializers.Serializer[Any]):
    """The session. Without one `user` and `version` are null, and there are no galleries."""

    user = SessionUserSerializer(allow_null=True)
    galleries = SessionGallerySerializer(many=True, help_text="By name.")
    version = serializers.CharField(allow_null=True)
    csrf_token = serializers.CharField(help_text="To be sent as the header `X-CSRFToken`.")


class SessionView(APIView):
    """Signing in and out, in browsers. Keys of machines mean nothing here."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="session_show", tags=["session"], auth=[],
        summary="Show who is signed in", responses=SessionSerializer,
        description="Sets the cookie `csrftoken`.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Who, and where they may do what; nobody is an answer, too."""
        return _session(request, request.user)

    @extend_schema(
        operation_id="session_begin", tags=["session"], auth=[],
        summary="Sign in", request=SignInSerializer,
        responses={
            200: SessionSerializer, 403: problem("`wrong_credentials`, `csrf_failed`"), **TOO_MANY,
        },
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Begin a session. Its CSRF token is a new one."""
        SessionAuthentication().enforce_csrf(request)
        serializer = SignInSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return _session(request, sign_in(request._request, **serializer.validated_data))

    @extend_schema(
        operation_id="session_end", tags=["session"], summary="Sign out",
        responses={204: OpenApiResponse()},
    )  # fmt: skip
    def delete(self, request: Request) -> Response:
        """End the session; without one this does nothing."""
        logout(request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class OwnPasswordView(APIView):
    """One's own password."""

    authentication_classes = [SessionAuthentication]

    @extend_schema(
        operation_id="session_password", tags=["session"], summary="Change your own password",
        description="This session goes on; all others of yours end.",
        request=PasswordChangeSerializer,
        responses={
            200: SessionSerializer, 400: problem("`invalid`: the new one is too easy to guess"),
            403: problem("`wrong_credentials`, `csrf_failed`"), **TOO_MANY,
        },
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Change it; the session's CSRF token is a new one."""
        serializer = PasswordChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = actor_of(request.user).user
        assert user is not None  # noqa: S101 - sessions are of users alone
        change_own_password(request._request, user, **serializer.validated_data)
        return _session(request, user)


def _session(request: Request, user: Any) -> Response:
    token = get_token(request._request)
    found: dict[str, Any] = {
        "user": None, "galleries": [], "version": None, "csrf_token": token,
    }  # fmt: skip
    if isinstance(user, User):
        user.name = user.get_full_name() or user.username  # type: ignore[attr-defined]
        found |= {
            "user": SessionUserSerializer(user).data,
            "galleries": [
                {"id": gallery.public_id, "name": gallery.name, "role": role}
                for gallery, role in roles_of(actor_of(user))
            ],
            "version": likeness_version(),
        }
    answer = Response(found)
    answer.headers["Cache-Control"] = "no-store"
    return answer
