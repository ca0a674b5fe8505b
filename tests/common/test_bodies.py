"""Bodies at the door: in full, in time, and read away after the answer."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from common.bodies import GuardedBodies, IncompleteBodyError

Link = tuple[socket.socket, socket.socket]


class Source:
    """Like gunicorn's body: it blocks until it has all that is asked for, or the sender ends."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self.connection.recv(size - len(data))):
            data += more
        return data


class Application:
    """Reads as much as it is told and remembers what came of it."""

    def __init__(self, read: Callable[[Any], bytes]) -> None:
        self.read = read
        self.got: bytes = b""
        self.error: OSError | None = None
        self.closed = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            self.got = self.read(environ["wsgi.input"])
        except OSError as error:
            self.error = error
        start_response("200 OK", [])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"answer"])

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def link() -> Iterator[Link]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def ask(
    link: Link, application: Application, headers: dict[str, str], **limits: float
) -> tuple[bytes, list[str]]:
    """The answer and the status, once the server is through with it."""
    environ = {"wsgi.input": Source(link[0]), "gunicorn.socket": link[0], **headers}
    statuses: list[str] = []
    answer = GuardedBodies(application, **limits)(
        environ, lambda status, headers: statuses.append(status)
    )
    content = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    return content, statuses


def test_a_whole_body_arrives(link: Link) -> None:
    application = Application(lambda body: body.read(4) + body.readline() + body.read())
    link[1].sendall(b"one two\nthree, and the next request")

    answer, _ = ask(link, application, {"CONTENT_LENGTH": "13"})

    assert (answer, application.got, application.closed) == (b"answer", b"one two\nthree", True)
    assert link[0].recv(100) == b", and the next request"
    assert link[0].gettimeout() is None


def test_a_request_without_a_body_is_left_alone(link: Link) -> None:
    application = Application(lambda body: b"")
    environ = {"wsgi.input": Source(link[0]), "gunicorn.socket": link[0]}

    answer = GuardedBodies(application)(environ, lambda status, headers: None)

    assert answer is application


def test_what_the_application_left_is_read_away(link: Link) -> None:
    application = Application(lambda body: body.read(3))
    link[1].sendall(b"abc" + bytes(1000) + b"next")

    ask(link, application, {"CONTENT_LENGTH": "1003"})

    assert link[0].recv(100) == b"next"


def test_reading_away_ends_in_time(link: Link) -> None:
    begin = time.monotonic()

    ask(link, Application(lambda body: b""), {"CONTENT_LENGTH": "1000"}, drain=0.3)

    assert 0.2 < time.monotonic() - begin < 10


def test_a_pause_is_the_end(link: Link) -> None:
    application = Application(lambda body: body.read())
    link[1].sendall(b"half")

    ask(link, application, {"CONTENT_LENGTH": "8"}, stall=0.2)

    assert isinstance(application.error, IncompleteBodyError)
    assert link[0].gettimeout() is None


def test_a_trickle_is_the_end(link: Link) -> None:
    application = Application(lambda body: body.read())
    stop = threading.Event()

    def trickle() -> None:
        with suppress(OSError):  # the other side may be through with it already
            while not stop.wait(0.05):
                link[1].send(b"x")

    sender = threading.Thread(target=trickle)
    sender.start()
    begin = time.monotonic()
    ask(link, application, {"CONTENT_LENGTH": "1000"}, stall=5, grace=0.3, rate=10_000, drain=1)
    stop.set()
    sender.join()

    assert isinstance(application.error, IncompleteBodyError)
    assert time.monotonic() - begin < 10  # at its pace it would take 50


def test_a_body_that_ends_early_is_no_body(link: Link) -> None:
    application = Application(lambda body: body.read())
    link[1].sendall(b"half")
    link[1].shutdown(socket.SHUT_WR)

    ask(link, application, {"CONTENT_LENGTH": "8"})

    assert isinstance(application.error, IncompleteBodyError)


def test_chunks_are_refused(link: Link) -> None:
    application = Application(lambda body: body.read())
    link[1].shutdown(socket.SHUT_WR)

    answer, statuses = ask(link, application, {"HTTP_TRANSFER_ENCODING": "chunked"})

    assert statuses == ["411 Length Required"]
    assert json.loads(answer)["code"] == "length_required"
    assert application.got == b""
