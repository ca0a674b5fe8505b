"""Two pages for machines: is this server ready, and its figures."""

import hmac
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from common.errors import Problem
from common.problems import plain_response

from . import metrics as _registered  # noqa: F401 - its figures are scraped here
from .parts import Part, State
from .readiness import Level, watch

RETRY_SECONDS = 5
_SCHEME = "Bearer"


def readyz(request: HttpRequest) -> JsonResponse:
    """200 while requests are worth sending here, else 503; each part, with its reason."""
    found = watch.readiness()
    away = found.level is Level.UNAVAILABLE
    response = JsonResponse(
        {"status": found.level, "parts": {part.name: _shown(part) for part in found.parts}},
        status=HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.OK,
    )
    response.headers["Cache-Control"] = "no-store"
    if away:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _shown(part: Part) -> dict[str, str]:
    """What anybody may know of a part."""
    reason = {} if part.state is State.OK else {"reason": part.detail}
    return {"state": part.state, **reason}


def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus, for whoever knows METRICS_TOKEN, and for site administrators."""
    if not (_knows_token(request) or _is_site_admin(request)):
        return _refusal()
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _knows_token(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token: str = settings.METRICS_TOKEN
    known = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    return bool(token) and scheme.lower() == _SCHEME.lower() and known


def _is_site_admin(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_active and user.is_superuser


def _refusal() -> HttpResponse:
    problem = Problem(
        "Send METRICS_TOKEN as `Authorization: Bearer TOKEN`, or sign in as a site administrator.",
        code="not_authenticated",
        status=HTTPStatus.UNAUTHORIZED,
    )
    response = plain_response(problem)
    response.headers["WWW-Authenticate"] = _SCHEME
    return response
