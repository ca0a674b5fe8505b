"""Ports of this machine: who is free, who answers. Plain sockets, short time-outs, no threads."""

import contextlib
import errno
import http.client
import os
import socket

_SECONDS = 2.0
# Below the range that Linux gives to outgoing connections: a client that keeps trying to reach a
# stopped server there would sooner or later connect to itself and take the port.
_CHOICE = range(19530, 19630)
# What an HTTP/2 client says first (RFC 9113, 3.4): a preface and an empty SETTINGS frame.
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_FRAME_HEADER, _FRAME_TYPE, _SETTINGS_FRAME = 9, 3, 4


def why_not_free(host: str, port: int) -> str:
    """Empty when a server could listen there, else the system's reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return ""


def free_port(host: str) -> int:
    """A port that nobody listens on."""
    for port in _CHOICE:
        if not why_not_free(host, port):
            return port
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def claim_port(host: str) -> socket.socket:
    """A free port, ours until the socket is closed; a gRPC server of this user can listen on it.

    A port that is merely free now may be chosen by somebody else in the seconds until our server
    listens, and gRPC then shares it (SO_REUSEPORT): each answers for the other. So it is bound
    alone, and opened to those who share afterwards; nobody listens on this socket.
    """
    for port in (*_CHOICE, 0):
        claim = socket.socket()
        try:
            claim.bind((host, port))
        except OSError:
            claim.close()
            continue
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return claim
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def port_of(claim: socket.socket) -> int:
    """Which port it is."""
    return int(claim.getsockname()[1])


def why_not_ours(host: str, port: int) -> str:
    """Empty when a gRPC server of ours could have it alone, claimed or not; else the reason."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
    with socket.socket() as caller:
        caller.settimeout(_SECONDS)
        return "" if caller.connect_ex((host, port)) else "Somebody listens there"


def answers_grpc(host: str, port: int) -> bool:
    """Whether a gRPC server answers there, asked without gRPC.

    The supervisor asks this, and gRPC's threads have no place in a process that starts others.
    """
    try:
        with socket.create_connection((host, port), _SECONDS) as link:
            link.sendall(_HTTP2_HELLO)
            reply = link.recv(_FRAME_HEADER, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(reply) == _FRAME_HEADER and reply[_FRAME_TYPE] == _SETTINGS_FRAME


def answers_http(host: str, port: int, path: str) -> bool:
    """Whether a web server answers there with anything but a failure of its own."""
    link = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    with contextlib.closing(link):
        try:
            link.request("GET", path)
            return link.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
