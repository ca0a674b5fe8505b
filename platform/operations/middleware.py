"""What is done for every request: its id, its line in the log, and the short way of probes."""

import re
from collections.abc import Callable
from secrets import token_hex
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject
from rest_framework.exceptions import NotAuthenticated
from structlog.contextvars import bind_contextvars, clear_contextvars

from accounts.actors import actor_of
from common.health import healthz
from common.logs import REQUEST_ID

from .api import metrics, readyz

Answer = Callable[[HttpRequest], HttpResponseBase]

HEADER = "X-Request-ID"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

logger = structlog.get_logger(__name__)


class Probes:
    """Answer `/healthz`, `/readyz` and a scraper's `/metrics` before anything else has a say.

    Who asks is a container's engine, a load balancer or Prometheus, from within and by whatever
    name or number: there is no host to allow, no TLS to be redirected to, and no line to be logged
    every few seconds. `/metrics` in a browser, with a session, goes the usual way.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request."""
        return _probe(request) or self._get_response(request)


def _probe(request: HttpRequest) -> HttpResponseBase | None:
    if request.path == "/healthz":
        return healthz(request)
    if request.path == "/readyz":
        return readyz(request)
    if request.path == "/metrics" and "Authorization" in request.headers:
        return metrics(request)
    return None


class RequestLog:
    """Give each request an id, for its log lines, its tasks and its answer, and log one line.

    The line has neither the query, which may hold a name, nor the user's name.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request."""
        given = _ID.fullmatch(request.headers.get(HEADER, ""))
        request_id = given[0] if given else token_hex(8)
        clear_contextvars()
        bind_contextvars(**{REQUEST_ID: request_id})
        began = perf_counter()
        try:
            response = self._get_response(request)
            response.headers[HEADER] = request_id
            if not request.path.startswith(settings.STATIC_URL):
                _log(request, response, perf_counter() - began)
            return response
        finally:
            clear_contextvars()


def _log(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    logger.info(
        "request",
        method=request.method if request.method in _METHODS else "(another)",
        path=escape_uri_path(request.path) if request.resolver_match else "(unknown)",
        status=response.status_code,
        ms=round(seconds * 1000),
        actor=_actor(request),
    )


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def _actor(request: HttpRequest) -> str:
    """Who asked, if answering had to find out: asking here would cost every request a query."""
    user: Any = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    try:
        return str(actor_of(user))
    except NotAuthenticated:
        return "nobody"
