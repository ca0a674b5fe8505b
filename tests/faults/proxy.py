"""A TCP proxy in front of a server: it can refuse, reset and delay what goes through it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

from tests.services import LOOPBACK, free_port

_PIECE = 65_536


class Proxy:
    """Passes everything on to a port of this machine until it is told otherwise."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.delay = 0.0  # seconds that each piece from the server is held back
        self._refuses = False
        self._links: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._door = socket.create_server((LOOPBACK, self.port), backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection, and every new one, until `mend`."""
        self._refuses = True
        self.reset()

    def mend(self) -> None:
        """Pass everything on again, without delay."""
        self._refuses = False
        self.delay = 0.0

    def reset(self) -> int:
        """Reset the connections that are open now; returns how many ends."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            _reset(link)
        return len(links)

    def close(self) -> None:
        """Stop for good."""
        self._refuses = True
        self._door.close()
        self.reset()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        if self._refuses:
            _reset(client)
            return
        try:
            server = socket.create_connection((LOOPBACK, self.target), 5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._links |= {client, server}
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        self._pump(server, client, True)  # noqa: FBT003

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while data := source.recv(_PIECE):
                if is_answer and self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        for link in (source, sink):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        with self._lock:
            self._links -= {source, sink}


def _reset(link: socket.socket) -> None:
    with suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.shutdown(socket.SHUT_RDWR)
    link.close()
