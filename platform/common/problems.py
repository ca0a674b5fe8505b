"""Every error of the API as problem details (RFC 9457): `application/problem+json`.

`code` is stable and part of the API; `detail` is a sentence for people.
"""

import errno
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from .errors import Forbidden, NotFound, Problem, StorageFull, TooLarge, Unavailable
from .logs import REQUEST_ID, request_id, without_values

CONTENT_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)


def problem_body(problem: Problem) -> dict[str, Any]:
    """The members of RFC 9457, `code`, and for faults of ours what finds them in the log."""
    ours = problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    trace = {REQUEST_ID: request_id()} if ours and request_id() else {}
    return {
        "type": f"urn:likeness:problem:{problem.code}",
        "title": problem.http_status.phrase,
        "status": int(problem.http_status),
        "code": problem.code,
        "detail": _encodable(problem.detail),
        **{name: _encodable(value) for name, value in problem.members.items()},
        **trace,
    }


def _encodable(value: Any) -> Any:
    """The same without halves of surrogate pairs, which JSON can carry to us and UTF-8 not back.

    What was refused is often said again in the message.
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_encodable(name): _encodable(each) for name, each in value.items()}
    return [_encodable(each) for each in value] if isinstance(value, list | tuple) else value


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's hook: any exception of a view as problem details, or None for a bug."""
    problem = as_problem(error)
    if problem is None:
        return None
    set_rollback()
    response = Response(
        problem_body(problem), status=int(problem.http_status), content_type=CONTENT_TYPE
    )
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    challenge = getattr(error, "auth_header", None)
    if challenge:
        response["WWW-Authenticate"] = challenge
    return response


def as_problem(error: Exception) -> Problem | None:
    """The problem that an exception means to the caller; None if it is our own mistake."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, exceptions.APIException):
        return _from_rest_framework(error)
    return _from_server(error) or _from_request_parsing(error)


def _from_server(error: Exception) -> Problem | None:
    if isinstance(error, OperationalError):
        logger.warning("the database did not answer: %s", without_values(error))
        return Unavailable("The database did not answer in time. Try again shortly.")
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull("The server's disk is full. Nothing was stored; free some space.")
    return None


def _from_request_parsing(error: Exception) -> Problem | None:
    for kind, problem in _REQUEST_PROBLEMS:
        if isinstance(error, kind):
            return problem()
    return None


def _malformed() -> Problem:
    return Problem("The request could not be read.", code="malformed")


def _incomplete() -> Problem:
    return Problem(
        "The request's body ended early or came too slowly. Send it again.",
        code="incomplete_body",
        status=HTTPStatus.REQUEST_TIMEOUT,
    )


# In this order: the later kinds include the earlier ones.
_REQUEST_PROBLEMS: list[tuple[type[Exception], Callable[[], Problem]]] = [
    (Http404, lambda: NotFound("such thing")),
    (PermissionDenied, lambda: Forbidden("You may not do this.")),
    (RequestDataTooBig, lambda: TooLarge("The request's fields are larger than allowed.")),
    (TooManyFieldsSent, lambda: Problem("The form has too many fields.", code="too_many_fields")),
    (
        TooManyFilesSent,
        lambda: Problem("The form has too many files; send at most 100.", code="too_many_files"),
    ),
    (UnreadablePostError, _incomplete),
    (
        DisallowedHost,
        lambda: Problem(
            "This host name is not served here. Add it to ALLOWED_HOSTS.", code="unknown_host"
        ),
    ),
    (SuspiciousOperation, _malformed),
    (MultiPartParserError, _malformed),
]


_REST_CODES = {"not_authenticated": "not_authenticated", "parse_error": "malformed"}


def _from_rest_framework(error: exceptions.APIException) -> Problem:
    status = HTTPStatus(error.status_code)
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"request": error.detail}
        return Problem(_sentence(fields), code="invalid", errors=fields)
    if isinstance(error, exceptions.Throttled):
        wait = int(getattr(error, "wait", None) or 1)
        return Problem(str(error.detail), code="throttled", status=status, retry_after=wait)
    code = str(getattr(error, "default_code", "error"))
    return Problem(str(error.detail), code=_REST_CODES.get(code, code), status=status)


def _sentence(fields: Any) -> str:
    """The first complaint, with the field's name before it."""
    name, complaint = next(iter(fields.items()))
    while isinstance(complaint, list | dict):
        complaint = next(iter(complaint.values() if isinstance(complaint, dict) else complaint))
    return f"{name}: {complaint}"


def plain_response(problem: Problem) -> JsonResponse:
    """A problem outside REST framework's views."""
    return JsonResponse(
        problem_body(problem), status=int(problem.http_status), content_type=CONTENT_TYPE
    )


def page_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Django's handler404."""
    return plain_response(
        Problem("There is nothing at this address.", code="not_found", status=HTTPStatus.NOT_FOUND)
    )


def server_error(request: HttpRequest) -> JsonResponse:
    """Django's handler500."""
    return plain_response(
        Problem(
            "The server made a mistake; its log says which.",
            code="internal_error",
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    )


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Django's handler400: what goes wrong before a view is reached."""
    return plain_response(as_problem(exception) or _malformed())
