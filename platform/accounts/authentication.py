"""How machines show who they are, and browsers."""

from http import HTTPStatus
from typing import cast

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.authentication import BaseAuthentication, CSRFCheck, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from common.errors import Problem

from .models import ApiKey

KEYWORD = "Api-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key PREFIX.SECRET`."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        """The key as the request's user, or None if the request carries none."""
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() in {"", "basic"}:
            return None  # a browser; a proxy in front may ask for a password of its own
        if scheme.lower() != KEYWORD.lower():
            raise AuthenticationFailed(f"Write the header as: Authorization: {KEYWORD} YOUR-KEY")
        try:
            # PostgreSQL can't even be asked for a NUL.
            key = cast("ApiKey", ApiKey.objects.get_from_key(secret.strip().replace("\0", "")))
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed("The API key is unknown or revoked.") from None
        if key.has_expired:
            raise AuthenticationFailed("The API key has expired.")
        return key, key

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return KEYWORD


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of a browser that has signed in."""

    def enforce_csrf(self, request: Request) -> None:
        """Raise a problem unless the request comes from a page of ours."""
        check = CSRFCheck(lambda _: None)  # type: ignore[arg-type]
        check.process_request(request)
        reason = check.process_view(request, None, (), {})  # type: ignore[arg-type]
        if reason:
            raise Problem(
                f"The request doesn't come from a page of this site ({reason}) Load the page "
                f"again; programs send the cookie {settings.CSRF_COOKIE_NAME!r}, which "
                "GET /api/v1/session sets, as the header X-CSRFToken too.",
                code="csrf_failed",
                status=HTTPStatus.FORBIDDEN,
            )

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401, where browsers alone may ask."""
        return "Session"


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same, in the API's description."""

    target_class = SessionAuthentication
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A cookie."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same, in the API's description."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A header, with how to fill it in."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`{KEYWORD} ` and the key, as `manage.py api_key` prints it.",
        }
