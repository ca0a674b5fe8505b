"""Every error is a problem (RFC 9457) with a stable code."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.test import APIClient

from common.errors import Problem, Unavailable
from common.problems import as_problem, exception_handler, problem_body, server_error
from people.models import Gallery


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem("x"), 400, "bad_request"),
        (Problem("x", code="odd", status=HTTPStatus.IM_A_TEAPOT), 418, "odd"),
        (Unavailable("x"), 503, "unavailable"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "forbidden"),
        (SuspiciousOperation(), 400, "malformed"),
        (OperationalError("locked"), 503, "unavailable"),
        (OSError(errno.ENOSPC, "full"), 507, "storage_full"),
        (OSError(errno.EDQUOT, "quota"), 507, "storage_full"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.ParseError(), 400, "malformed"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.Throttled(wait=7), 429, "throttled"),
        (exceptions.ValidationError({"name": ["Wrong."]}), 400, "invalid"),
    ],
)
def test_errors_have_a_status_and_a_code(error: Exception, status: int, code: str) -> None:
    problem = as_problem(error)
    assert problem is not None
    body = problem_body(problem)
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:likeness:problem:{code}"
    assert body["title"] == HTTPStatus(status).phrase


@pytest.mark.parametrize("error", [ValueError(), KeyError("x"), OSError(errno.EIO, "disk")])
def test_our_own_mistakes_are_no_answer(error: Exception) -> None:
    assert as_problem(error) is None
    assert exception_handler(error, {}) is None


def test_when_to_ask_again_is_a_header() -> None:
    response = exception_handler(Unavailable("Later.", retry_after=9), {})
    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, "9")
    throttled = exception_handler(exceptions.Throttled(wait=7), {})
    assert throttled is not None
    assert throttled["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ({"name": ["Too long.", "Ugly."], "slug": ["Taken."]}, "name: Too long."),
        ({"box": {"x": ["Not a number."]}}, "box: Not a number."),
        (["Wrong."], "request: Wrong."),
    ],
)
def test_the_first_complaint_is_the_sentence(complaint: Any, sentence: str) -> None:
    problem = as_problem(exceptions.ValidationError(complaint))
    assert problem is not None
    assert problem.detail == sentence


@pytest.mark.django_db
def test_addresses_that_are_not_there_and_hosts_that_are_not_ours() -> None:
    client = APIClient(raise_request_exception=False)
    for path in (
        "/static/nothing",
        "/api/v1/nothing",
        "/api/v1/people/not-a-uuid",
        "/api/v1/people/",
    ):
        response = client.get(path)
        assert (response.status_code, response["Content-Type"]) == (
            404, "application/problem+json",
        )  # fmt: skip
        assert response.json()["code"] == "not_found"
    response = client.get("/api/v1/people", headers={"Host": "evil.example.org"})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_host")


def test_a_mistake_of_ours_says_no_more_than_that(rf: Any) -> None:
    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert b'"internal_error"' in response.content


@pytest.mark.django_db
def test_the_process_is_well(client: Any) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert client.get("/").status_code in (200, 503)
    assert client.get("/api/docs/").status_code == 200
    assert client.get("/api/schema/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("sent", ['"\\ud800"', '["\\udfff"]', '{"\\ud800": 1}'])
def test_half_a_surrogate_that_is_refused_is_said_again_without_it(
    admin_api: APIClient, gallery: Gallery, sent: str
) -> None:
    """JSON can bring one, and no answer can carry it."""
    answer = admin_api.patch(
        f"/api/v1/galleries/{gallery.public_id}",
        f'{{"several_faces": {sent}}}'.encode(),
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_members_are_said_in_what_can_be_encoded() -> None:
    problem = Problem("a \ud800", errors={"\udfff": ["b \ud800", ("c", 1, None)]}, score=0.5)
    body = problem_body(problem)
    assert body["detail"] == "a ?"
    assert (body["errors"], body["score"]) == ({"?": ["b ?", ["c", 1, None]]}, 0.5)
