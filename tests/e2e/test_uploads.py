"""Requests that are too large, too many, too slow or never end: each gets its answer."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Lfw

from .stack import Api, Stack

MEGABYTE = 1024 * 1024
BOUNDARY = "line"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def oversized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Far over the limit of a file and of a request."""
    path = tmp_path_factory.mktemp("oversized") / "photo.jpg"
    with path.open("wb") as file:
        file.write(b"\xff\xd8")
        file.truncate(200 * MEGABYTE)
    yield path
    path.unlink()


@pytest.fixture(autouse=True)
def _server_is_well(api: Api) -> Iterator[None]:
    """Whatever was sent, the same client's next request is answered, and soon."""
    yield
    begin = time.monotonic()
    assert api.http.get("galleries").status_code == 200
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("megabytes", [16, 40, 200])
def test_httpx_sees_413(megabytes: int, api: Api) -> None:
    answer = api.http.post("detect", files={"photo": bytes(megabytes * MEGABYTE)})

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
def test_curl_sees_413(expect: str, oversized: Path, api: Api) -> None:
    status, body, _ = curl(api, "--header", expect, "--form", f"photo=@{oversized}")

    assert (status, body["code"]) == (413, "too_large")


def test_413_is_said_before_all_is_sent(oversized: Path, api: Api) -> None:
    _, _, sent = curl(api, "--limit-rate", "40M", "--form", f"photo=@{oversized}")

    assert sent < 150 * MEGABYTE


def test_without_a_key_the_answer_comes_too(oversized: Path, stack: Stack) -> None:
    with oversized.open("rb") as photo:
        answer = httpx.post(
            f"{stack.url}/api/v1/detect", files={"photo": photo}, timeout=60, trust_env=False
        )

    assert answer.status_code == 401


def test_files_that_are_too_large_together(api: Api, lfw: Lfw) -> None:
    files = [("photos", bytes(14 * MEGABYTE)) for _ in range(5)]

    answer = api.http.post("photos/batch", data={"person": api.gallery}, files=files)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_too_many_files(api: Api) -> None:
    files = [("photos", b"small") for _ in range(101)]

    answer = api.http.post("photos/batch", data={"person": api.gallery}, files=files)

    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_files")


def test_ten_thousand_form_fields(api: Api, lfw: Lfw) -> None:
    fields = {f"field{number}": "x" for number in range(10_000)}

    answer = api.http.post("detect", data=fields, files={"photo": lfw.bytes("Bill_Clinton", 1)})

    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_fields")


def test_a_body_in_chunks_is_refused_with_the_reason(api: Api) -> None:
    answer = api.http.post("detect", content=iter([b"some", b"thing"]))

    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


def test_an_endless_body_in_chunks_is_answered_and_cut_off(api: Api, stack: Stack) -> None:
    with raw(api, stack, f"Transfer-Encoding: chunked\r\nContent-Type: {FORM}") as connection:
        assert read_answer(connection).startswith("HTTP/1.1 411")

        assert 2 < seconds_until_cut(connection) < 20


def seconds_until_cut(connection: socket.socket) -> float:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    begin = time.monotonic()
    while time.monotonic() - begin < 40:
        try:
            connection.sendall(chunk)
        except OSError:
            break
        time.sleep(0.01)
    return time.monotonic() - begin


def test_a_body_that_stalls_is_cut_off(api: Api, stack: Stack) -> None:
    begin = time.monotonic()
    with raw(api, stack, f"Content-Length: 100000\r\nContent-Type: {FORM}") as connection:
        connection.sendall(part(b"\xff\xd8")[:200])

        answer = read_answer(connection)

    assert answer.startswith("HTTP/1.1 408")
    assert '"code":"incomplete_body"' in answer
    assert 8 < time.monotonic() - begin < 15


def test_half_a_body_is_no_photo(api: Api, stack: Stack, lfw: Lfw) -> None:
    body = part(lfw.bytes("Bill_Clinton", 1))
    with raw(api, stack, f"Content-Length: {len(body)}\r\nContent-Type: {FORM}") as connection:
        connection.sendall(body[: len(body) // 2])
        connection.shutdown(socket.SHUT_WR)

        answer = read_answer(connection)

    assert '"code":"incomplete_body"' in answer


def test_nothing_of_it_is_an_error_of_ours(stack: Stack) -> None:
    assert "Traceback" not in stack.log.replace(allowed_traceback(stack.log), "")


def allowed_traceback(log: str) -> str:
    """Django logs a refused Host header with one."""
    start = log.find("Invalid HTTP_HOST header")
    return log[start : log.find("ALLOWED_HOSTS.\n", start + 200)] if start >= 0 else "\0"


def curl(api: Api, *arguments: str) -> tuple[int, dict[str, Any], int]:
    """Status, JSON body and number of bytes sent."""
    told = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"),
            *("--header", f"Authorization: {api.http.headers['Authorization']}"),
            *("--write-out", "\n%{http_code} %{size_upload}", *arguments),
            f"{api.http.base_url}detect",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    body, _, figures = told.stdout.rpartition("\n")
    status, sent = map(int, figures.split())
    assert body, told
    return status, json.loads(body), sent


def part(content: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def raw(api: Api, stack: Stack, headers: str) -> socket.socket:
    """A connection on which the head of a request has been sent."""
    connection = socket.create_connection(("127.0.0.1", stack.port), timeout=40)
    connection.sendall(
        f"POST /api/v1/detect HTTP/1.1\r\nHost: 127.0.0.1:{stack.port}\r\n"
        f"Authorization: {api.http.headers['Authorization']}\r\n{headers}\r\n\r\n".encode()
    )
    return connection


def read_answer(connection: socket.socket) -> str:
    received = b""
    while data := connection.recv(65_536):
        received += data
        if b"}" in received:
            break
    return received.decode()
