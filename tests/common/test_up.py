"""What `manage.py up` asks before it starts anything, and what it says; starting is e2e's."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from django.core.management.base import CommandError

from common.management.commands import up
from common.ports import free_port

RABBITMQ = ("127.0.0.1", 5672)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def grpc() -> Iterator[int]:
    """The port of a server that greets once as HTTP/2 does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            link, _ = server.accept()
            with link:
                link.recv(100)
                link.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")

        thread = threading.Thread(target=greet)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(5)


def refusal_of(url: str, settings: Any) -> str:
    settings.CELERY_BROKER_URL = url
    start = time.monotonic()
    with pytest.raises(CommandError) as caught:
        up.check_broker()
    assert time.monotonic() - start < 8
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_a_broker_that_is_not_there_is_named(scheme: str, settings: Any) -> None:
    port = free_port("127.0.0.1")

    told = refusal_of(f"{scheme}://someone:hunter2@127.0.0.1:{port}", settings)

    assert told.startswith("The broker does not answer: ")
    assert "onnection refused" in told
    assert told.endswith(".\nStart it, or correct CELERY_BROKER_URL.")
    assert ".." not in told
    assert "hunter2" not in told


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_a_broker_that_stays_silent_is_not_waited_for(
    scheme: str, silent: int, settings: Any
) -> None:
    told = refusal_of(f"{scheme}://someone:hunter2@127.0.0.1:{silent}", settings)

    assert told.lower().startswith("the broker does not answer: time")
    assert "hunter2" not in told


def test_a_broker_that_knows_no_such_user_is_named(settings: Any) -> None:
    try:
        socket.create_connection(RABBITMQ, 1).close()
    except OSError:
        if os.environ.get("CI") == "true":
            pytest.fail("RabbitMQ does not run on this machine")
        pytest.skip("no RabbitMQ on this machine")

    told = refusal_of("amqp://bad:hunter2@{}:{}".format(*RABBITMQ), settings)

    assert "ACCESS_REFUSED" in told
    assert told.endswith(".\nStart it, or correct CELERY_BROKER_URL.")
    assert "hunter2" not in told


@pytest.mark.parametrize("password", ["hun/ter2", "hun#ter2", "1234/hunter2", "hun?ter2"])
def test_a_password_that_breaks_the_address_is_not_quoted(password: str, settings: Any) -> None:
    told = refusal_of(f"amqp://someone:{password}@127.0.0.1:5672//", settings)

    assert "its address cannot be read. In a password write %40 for @" in told
    assert not any(part in told for part in ("hun", "ter2", "1234"))


def test_the_broker_of_files_is_not_asked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app, "connection_for_write", None)
    settings.CELERY_BROKER_URL = "filesystem://localhost"
    up.check_broker()


def test_a_broker_that_answers_is_fine(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "memory://;memory://"
    up.check_broker()


@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_a_milvus_that_is_not_there_is_named(scheme: str, settings: Any) -> None:
    port = free_port("127.0.0.1")
    settings.MILVUS_URI = f"{scheme}://root:hunter2@127.0.0.1:{port}/faces"
    with pytest.raises(CommandError) as caught:
        up.check_milvus()
    assert str(caught.value) == (
        f"Milvus does not answer at 127.0.0.1:{port}. Start it, or correct MILVUS_URI."
    )


def test_a_milvus_that_answers_is_fine(grpc: int, settings: Any) -> None:
    settings.MILVUS_URI = f"http://127.0.0.1:{grpc}"
    up.check_milvus()


@pytest.mark.parametrize("uri", ["", "https://127.0.0.1:1"])
def test_the_embedded_milvus_and_one_behind_tls_are_not_asked(uri: str, settings: Any) -> None:
    settings.MILVUS_URI = uri
    up.check_milvus()


def test_the_welcome_names_only_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBLIC_URL", raising=False)

    lines = up.welcome("0.0.0.0", 8123).splitlines()

    assert lines[0] == "Likeness is running."
    assert lines[1:4] == [
        "  Portal  http://127.0.0.1:8123/",
        "  API     http://127.0.0.1:8123/api/docs/",
        "  Admin   http://127.0.0.1:8123/admin/",
    ]
    assert lines[-1] == "Ctrl-C stops everything."


@pytest.mark.parametrize(
    ("host", "allowed", "is_told"),
    [
        ("0.0.0.0", ["127.0.0.1", "[::1]", "localhost", ".localhost"], True),
        ("192.0.2.7", ["127.0.0.1"], True),
        ("::", [], True),
        ("0.0.0.0", ["localhost", "faces.example.org"], False),
        ("0.0.0.0", ["*"], False),
        ("127.0.0.1", ["localhost"], False),
        ("127.0.0.2", ["localhost"], False),
        ("::1", ["localhost"], False),
        ("localhost", ["localhost"], False),
    ],
)
def test_the_welcome_tells_of_allowed_hosts_where_it_matters(
    host: str,
    allowed: list[str],
    is_told: bool,  # noqa: FBT001 - a column of the table above
    settings: Any,
) -> None:
    settings.ALLOWED_HOSTS = allowed
    assert ("ALLOWED_HOSTS" in up.welcome(host, 8000)) is is_told
