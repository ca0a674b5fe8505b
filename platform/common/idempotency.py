"""`Idempotency-Key`: a POST sent again gets the first answer and does nothing twice."""

import hashlib
import json
import os
import socket
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import partial, wraps
from typing import Any

import psutil
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from .errors import Conflict, Problem
from .models import IdempotentRequest

HEADER = "Idempotency-Key"
REMEMBERED = timedelta(days=1)
# A first request that has given no answer for so long died with its process, on another machine.
ABANDONED = timedelta(minutes=2)
MAX_KEY = 255

# What is left to be written, with its answer.
Rest = Callable[[], Response]
View = Callable[..., Response | Rest]

_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Anything unique. The same request with it again gets the first one's answer.",
)


def idempotent(view: View) -> Callable[..., Response]:
    """Decorate a POST handler of a REST framework view.

    Only answers of success are remembered, for a day. Without the header nothing changes. What
    the handler writes and its answer are one transaction; an upload, which would hold up all other
    writers meanwhile, is not, and knows by itself what it has stored before. One that does not know
    does what takes time, and returns a function that writes and answers: that is one transaction.

    Raises:
        Conflict: the key came with another request before (`idempotency_key_reused`), or the
            first request is still under way (`idempotency_in_progress`).
    """

    @extend_schema(parameters=[_PARAMETER])
    @wraps(view)
    def wrapper(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        act = partial(view, self, request, *args, **kwargs)
        if key is None:
            return _answer(act())
        if not 0 < len(key) <= MAX_KEY:
            raise Problem(f"{HEADER} has 1 to {MAX_KEY} characters.", code="invalid")
        record, fresh = _begin(_name(request.user), key, fingerprint(request))
        if not fresh:
            return _remembered(record)
        try:
            with nullcontext() if request.FILES else transaction.atomic():
                return _answer_for(record, act())
        except BaseException:
            record.delete()
            raise

    return wrapper


def _answer(found: Response | Rest) -> Response:
    return found if isinstance(found, Response) else found()


def _answer_for(record: IdempotentRequest, found: Response | Rest) -> Response:
    """The answer, remembered in the transaction that writes what it tells of."""
    with nullcontext() if isinstance(found, Response) else transaction.atomic():
        response = _answer(found)
        _remember(record, response)
    return response


def fingerprint(request: Request) -> str:
    """A hash of what is asked: method, address, fields, and the bytes of files."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    data = request.data
    if not isinstance(data, QueryDict):
        digest.update(json.dumps(data, sort_keys=True).encode())
        return digest.hexdigest()
    for name in sorted(data):
        for value in data.getlist(name):
            digest.update(f"{name}=".encode())
            digest.update(hashlib.sha256(_bytes(value)).digest())
    return digest.hexdigest()


def forget_old() -> int:
    """Delete answers older than a day. Returns how many."""
    deleted, _ = IdempotentRequest.objects.filter(
        created_at__lt=timezone.now() - REMEMBERED
    ).delete()
    return deleted


def forget_answers_to(caller: Any) -> None:
    """Delete what a user or key was answered: they may no longer be allowed to see it."""
    IdempotentRequest.objects.filter(caller=_name(caller)).delete()


def _bytes(value: Any) -> bytes:
    if not isinstance(value, UploadedFile):
        return str(value).encode()
    value.seek(0)
    content: bytes = value.read()
    value.seek(0)
    return content


def _name(caller: Any) -> str:
    return f"{caller._meta.model_name}:{caller.pk}"[:80]


def _begin(caller: str, key: str, asked: str) -> tuple[IdempotentRequest, bool]:
    """The record of this key, and whether this request is the one to carry out."""
    _drop_abandoned(caller, key)
    try:
        with transaction.atomic():
            fresh = IdempotentRequest.objects.create(
                caller=caller, key=key, fingerprint=asked, holder=_identity(os.getpid())
            )
            return fresh, True
    except IntegrityError:
        pass
    # Gone again if the first request failed a moment ago.
    record = IdempotentRequest.objects.filter(caller=caller, key=key).first()
    if record is not None and record.fingerprint != asked:
        raise Conflict(
            f"This {HEADER} came with another request before. Use a new one.",
            code="idempotency_key_reused",
        )
    if record is None or record.status is None:
        raise Conflict(
            "The first request with this key is still under way. Ask again shortly.",
            code="idempotency_in_progress",
            retry_after=1,
        )
    return record, False


def _drop_abandoned(caller: str, key: str) -> None:
    now = timezone.now()
    mine = IdempotentRequest.objects.filter(caller=caller, key=key)
    mine.filter(created_at__lt=now - REMEMBERED).delete()
    mine.filter(created_at__lt=now - ABANDONED, status=None).delete()
    for waiting in mine.filter(status=None):
        if _is_gone(waiting.holder):
            waiting.delete()


def _identity(pid: int) -> str:
    """A process's name for all time: numbers are given again to other processes."""
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time()}"


def _is_gone(holder: str) -> bool:
    """Whether a process of this machine has ended; of other machines nothing is known."""
    host, pid, _ = [*holder.rsplit(" ", 2), "", ""][:3]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        return _identity(int(pid)) != holder
    except psutil.Error:
        return True


def _remember(record: IdempotentRequest, response: Response) -> None:
    """Keep the answer, unless the record was dropped meanwhile (an erasure, or a long wait)."""
    IdempotentRequest.objects.filter(pk=record.pk).update(
        status=response.status_code, body=JSONRenderer().render(response.data).decode()
    )


def _remembered(record: IdempotentRequest) -> Response:
    return Response(
        json.loads(record.body) if record.body else None,
        status=record.status,
        headers={"Idempotent-Replayed": "true"},
    )
