"""Fetching one file from the web without being led anywhere: see `addresses`.

Nothing of the environment is used (no proxies, no netrc), nothing is kept (no cookies), and no
answer may take longer or be larger than is said here, however slowly it drips.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from imports.names import Fault

from . import addresses, faults

MOST_REDIRECTS = 5
_CHUNK = 1 << 16
_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {"http": 80, "https": 443}
_HEADERS = {"User-Agent": "likeness", "Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"}
_SAFE = "/%:;?&=+$,!~*'()@#[]"  # what `quote` leaves: the rest of a written address

BAD_URL = Fault(
    "bad_url", "It is no web address. Write https://HOST/PATH, without a user's name or password."
)
BLOCKED = Fault("blocked_address", "The address leads to a private network. It was not asked.")
UNKNOWN_HOST = Fault("unreachable", "The host's name is not known.")
UNREACHABLE = Fault("unreachable", "The server can't be reached, or broke off.")
TIMED_OUT = Fault("timed_out", "The server took too long. Try again later.")
TOO_MANY_REDIRECTS = Fault(
    "bad_redirect", f"The server redirects more than {MOST_REDIRECTS} times."
)
UNSAFE_REDIRECT = Fault("bad_redirect", "The server redirects to an address that isn't safe.")
BAD_ANSWER = Fault("bad_answer", "The server's answer makes no sense.")


class FetchError(Exception):
    """A file can't be had; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


class _Target(NamedTuple):
    """Where a request goes: scheme, host and port as written, and what is asked for there."""

    scheme: str
    host: str
    port: int
    path: str
    url: str


@dataclass(frozen=True, slots=True)
class Web:
    """The web as far as it may be asked.

    `patience` is how many seconds a server may be silent, `seconds` what one file may take in all.
    """

    resolve: addresses.Resolver = addresses.resolve
    is_allowed: addresses.Guard = addresses.is_public
    patience: float = 10.0
    seconds: float = 60.0
    tls: ssl.SSLContext | None = None

    def fetch(self, url: str, most: int, first: int | None = None) -> bytes | Fault:
        """The file at an address, or its `first` bytes; or why there is none."""
        ends = time.monotonic() + self.seconds
        try:
            target = _target(url)
            for _ in range(MOST_REDIRECTS + 1):
                found = self._ask(target, most, first, ends)
                if isinstance(found, bytes):
                    return found
                target = found
            return TOO_MANY_REDIRECTS
        except FetchError as error:
            return error.fault

    def _ask(self, target: _Target, most: int, first: int | None, ends: float) -> bytes | _Target:
        """The file, or where the server says that it is."""
        found = self._addresses(target)
        try:
            with self._connected(target, found, ends) as connection:
                connection.request("GET", target.path, headers=_headers(target, first))
                answer = connection.getresponse()
                if answer.status in _REDIRECTS:
                    return _redirected(target, answer.getheader("Location", ""))
                _check(answer, most)
                body = _body(answer, most, first)
                if time.monotonic() >= ends:
                    # An answer of no said length ends when its connection is ended from here.
                    raise TimeoutError
                return body
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(_fault(error, ends)) from error

    def _addresses(self, target: _Target) -> Sequence[str]:
        """The addresses to connect to: none if any that the name has is blocked."""
        try:
            found = self.resolve(target.host, target.port)
        except OSError as error:
            raise FetchError(UNKNOWN_HOST) from error
        if not found:
            raise FetchError(UNKNOWN_HOST)
        if not all(self.is_allowed(each) for each in found):
            raise FetchError(BLOCKED)
        return found

    @contextmanager
    def _connected(
        self, target: _Target, found: Sequence[str], ends: float
    ) -> Iterator[http.client.HTTPConnection]:
        """A connection to exactly one of these addresses, ended when its time is over."""
        plain = self._connect(found, target.port, ends)
        # A second handle of the same connection: TLS takes the first one over.
        handle = plain.dup()
        watch = threading.Timer(max(0.0, ends - time.monotonic()), _end, [handle])
        watch.daemon = True
        watch.start()
        connection = http.client.HTTPConnection(target.host, target.port)
        try:
            connection.sock = self._secured(plain, target)
            yield connection
        finally:
            watch.cancel()
            connection.close()
            plain.close()
            handle.close()

    def _connect(self, found: Sequence[str], port: int, ends: float) -> socket.socket:
        """The first of the addresses that answers. Raises OSError."""
        problem: OSError = TimeoutError()
        for address in found:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                return socket.create_connection((address, port), min(self.patience, left))
            except OSError as error:
                problem = error
        raise problem

    def _secured(self, plain: socket.socket, target: _Target) -> socket.socket:
        if target.scheme == "http":
            return plain
        context = self.tls or ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=target.host)


def _target(url: str) -> _Target:
    """What an address says. Raises FetchError for one that isn't for the web."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise FetchError(BAD_URL) from error
    is_web = parts.scheme in _PORTS and host and host.isprintable() and " " not in host
    if not is_web or parts.username is not None or parts.password is not None:
        raise FetchError(BAD_URL)
    default = _PORTS[parts.scheme]
    return _Target(parts.scheme, host, port or default, _path(parts), url)


def _path(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return quote((parts.path or "/") + query, safe=_SAFE)


def _headers(target: _Target, first: int | None) -> dict[str, str]:
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != _PORTS[target.scheme]:
        host = f"{host}:{target.port}"
    ranges = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
    return {**_HEADERS, **ranges, "Host": host}


def _redirected(target: _Target, location: str) -> _Target:
    try:
        found = _target(urljoin(target.url, location))
    except (ValueError, FetchError) as error:
        raise FetchError(UNSAFE_REDIRECT) from error
    if not location or found.scheme not in {"https", target.scheme}:
        raise FetchError(UNSAFE_REDIRECT)
    return found


def _check(answer: http.client.HTTPResponse, most: int) -> None:
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise FetchError(Fault("http_status", f"The server answers {answer.status}."))
    if answer.getheader("Content-Encoding", "identity").lower() != "identity":
        raise FetchError(BAD_ANSWER)
    if answer.length is not None and answer.length > most:
        raise FetchError(faults.too_large(most))


def _body(answer: http.client.HTTPResponse, most: int, first: int | None) -> bytes:
    found = bytearray()
    wanted = most if first is None else first
    while piece := answer.read(_CHUNK):
        found += piece
        if first is not None and len(found) >= first:
            return bytes(found[:first])
        if len(found) > wanted:
            raise FetchError(faults.too_large(most))
    if answer.length:
        raise FetchError(faults.CUT_OFF)
    return bytes(found)


def _fault(error: Exception, ends: float) -> Fault:
    if isinstance(error, TimeoutError) or time.monotonic() >= ends:
        return TIMED_OUT
    if isinstance(error, http.client.IncompleteRead):
        return faults.CUT_OFF
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault("bad_certificate", "The server's certificate is not valid for its name.")
    if isinstance(error, OSError):
        return UNREACHABLE
    return BAD_ANSWER


def _end(plain: socket.socket) -> None:
    try:
        plain.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
