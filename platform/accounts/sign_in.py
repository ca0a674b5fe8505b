"""People sign in, by whichever page: what is asked of them, and who has tried too often."""

import ipaddress
import math
from http import HTTPStatus

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import authenticate, login, update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from rest_framework import serializers

from audit.services import record
from common.errors import Problem
from common.problems import plain_response

from .actors import actor_of
from .models import User


def sign_in(request: HttpRequest, username: str, password: str) -> User:
    """Begin a session. Too many failures are answered by the middleware (`locked_out`).

    Raises:
        Problem: nobody active has this name and password (`wrong_credentials`).
    """
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise _wrong("User name or password is wrong.")
    login(request, user)
    return user


def change_own_password(request: HttpRequest, user: User, old: str, new: str) -> None:
    """Give oneself another password. This session goes on, all others of theirs end.

    A wrong old one counts like a failure to sign in: who finds an open session can't guess it.

    Raises:
        Problem: the old password is wrong (`wrong_credentials`).
        ValidationError: the new one is too easy to guess.
    """
    if authenticate(request, username=user.username, password=old) != user:
        raise _wrong("The old password is wrong.")
    set_password(user, new, field="new")
    with transaction.atomic():
        user.save(update_fields=["password"])
        record(actor_of(user), "user.password", f"user:{user.public_id}", None)
    update_session_auth_hash(request, user)


def set_password(user: User, password: str, *, field: str) -> None:
    """Set it on the row, which is not saved. Raises REST framework's ValidationError."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise serializers.ValidationError({field: list(error.messages)}) from None
    user.set_password(password)


def _wrong(detail: str) -> Problem:
    return Problem(detail, code="wrong_credentials", status=HTTPStatus.FORBIDDEN)


# --- Too many failures ----------------------------------------------------------------------------


def address_of(request: HttpRequest) -> str | None:
    """The address of whoever asks: what the outermost of our own proxies saw.

    Entries of X-Forwarded-For before those of our proxies are whatever the sender wrote there.
    """
    seen = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        seen = [each.strip() for each in forwarded][-settings.TRUSTED_PROXIES :] or seen
    try:
        return str(ipaddress.ip_address(seen[0]))
    except ValueError:
        return None


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: object = None
) -> HttpResponse:
    """What who tried too often is told: a problem over the API, a page in the admin."""
    seconds = _seconds_left(request)
    minutes = max(1, math.ceil(seconds / 60))
    detail = (
        f"Too many failures to sign in. Try again in {minutes} minute{'' if minutes == 1 else 's'}."
    )
    if request.path.startswith("/api/"):
        problem = Problem(detail, code="too_many_attempts", status=HTTPStatus.TOO_MANY_REQUESTS)
        answer: HttpResponse = plain_response(problem)
    else:
        page = {"detail": detail, "again": request.path}
        answer = render(request, "likeness/locked_out.html", page, status=429)
    answer.headers["Retry-After"] = str(seconds)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _seconds_left(request: HttpRequest) -> int:
    """Until the latest failure counts no more."""
    given = getattr(request, "axes_credentials", None) or {}
    attempts = AccessAttempt.objects.filter(
        username=given.get("username"), ip_address=address_of(request)
    )
    latest = attempts.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    until = (latest or timezone.now()) + settings.AXES_COOLOFF_TIME
    return max(1, math.ceil((until - timezone.now()).total_seconds()))


def forget_old() -> int:
    """Remove failures that count no more, and sessions that have ended. Returns how many."""
    now = timezone.now()
    old = AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME)
    failures: int = old.delete()[0]
    return failures + Session.objects.filter(expire_date__lt=now).delete()[0]
