"""The bodies of requests, at the door of the web server: of known length, in time, read to the end.

gunicorn's threads wait for a body as long as its sender likes. And when a request is refused
half-way, gunicorn closes the connection on a client that is still sending, which then sees a reset
instead of the answer.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, NoReturn

from .errors import Problem
from .problems import CONTENT_TYPE, problem_body

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_PIECE = 65_536


class IncompleteBodyError(OSError):
    """The body ended early, paused too long or came too slowly."""


class GuardedBodies:
    """A WSGI application that is spared of bodies without a length, and of those that never end.

    A body may pause for `stall` seconds, and take `grace` seconds and its length over `rate` bytes
    a second. What the application left of it is read away for up to `drain` seconds after the
    answer was sent.
    """

    def __init__(
        self,
        application: Application,
        *,
        stall: float = 10,
        grace: float = 20,
        rate: float = 32_768,
        drain: float = 10,
    ) -> None:
        self._application = application
        self._stall, self._grace, self._rate, self._drain = stall, grace, rate, drain

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        if environ.get("HTTP_TRANSFER_ENCODING"):
            # Django would take it for an empty body.
            body = self._body(environ, sys.maxsize)
            return _Answer(_length_required(start_response), lambda: body.read_away(self._drain))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not length:
            return self._application(environ, start_response)
        body = self._body(environ, length)
        answer = self._application({**environ, "wsgi.input": body}, start_response)
        return _Answer(answer, lambda: body.read_away(self._drain))

    def _body(self, environ: Environ, length: int) -> "_Body":
        seconds = min(self._grace + length / self._rate, threading.TIMEOUT_MAX)
        connection = environ.get("gunicorn.socket")
        return _Body(environ["wsgi.input"], length, connection, self._stall, seconds)


def _length_required(start_response: Callable[..., Any]) -> list[bytes]:
    status = HTTPStatus.LENGTH_REQUIRED
    sentence = "Send the body with a Content-Length, not in chunks."
    problem = Problem(sentence, code="length_required", status=status)
    content = json.dumps(problem_body(problem)).encode()
    headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(content)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [content]


class _Body:
    """`wsgi.input` with its length and a clock, which starts at the first read."""

    def __init__(
        self,
        source: Any,
        length: int,
        connection: socket.socket | None,
        stall: float,
        seconds: float,
    ) -> None:
        self._source, self._left = source, length
        self._connection, self._stall = connection, stall
        self._clock = threading.Timer(seconds, self._cut)
        self._clock.daemon = True
        self._is_ticking = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end. Raises IncompleteBodyError."""
        wanted = self._left if size < 0 else min(size, self._left)
        if wanted == 0:
            return b""
        if not self._is_ticking:
            self._is_ticking = True
            self._clock.start()
        try:
            with _patience(self._connection, self._stall):
                data: bytes = self._source.read(wanted)
        except OSError as error:
            self._give_up(error)
        if len(data) < wanted:
            self._give_up(None)
        self._left -= len(data)
        if self._left == 0:
            self._clock.cancel()
        return data

    def readline(self, size: int = -1) -> bytes:
        """A line, or its first `size` bytes."""
        line = bytearray()
        while not line.endswith(b"\n") and (size < 0 or len(line) < size):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def read_away(self, seconds: float) -> None:
        """Read what is left, so that the client is not reset before it has seen the answer."""
        end = time.monotonic() + seconds
        with suppress(OSError):
            while (left := end - time.monotonic()) > 0:
                self._stall = min(self._stall, left)
                if not self.read(_PIECE):
                    break
        self._close()

    def _close(self) -> None:
        self._left = 0
        self._clock.cancel()

    def _give_up(self, error: OSError | None) -> NoReturn:
        self._close()
        raise IncompleteBodyError("the body ended early or came too slowly") from error

    def _cut(self) -> None:
        """The time is over: let the thread that reads see an end."""
        with suppress(OSError):
            if self._connection is not None:
                self._connection.shutdown(socket.SHUT_RD)


class _Answer:
    """An application's answer; `afterwards` is called once it has been sent."""

    def __init__(self, parts: Iterable[bytes], afterwards: Callable[[], None]) -> None:
        self._parts = parts
        self._afterwards = afterwards

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        """Called by the server at the end, whatever happened."""
        try:
            getattr(self._parts, "close", lambda: None)()
        finally:
            self._afterwards()


@contextmanager
def _patience(connection: socket.socket | None, seconds: float) -> Iterator[None]:
    """Let the connection wait for so long, and then for as long as before."""
    if connection is None:  # another server than gunicorn, with limits of its own
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(seconds)
    try:
        yield
    finally:
        connection.settimeout(before)
