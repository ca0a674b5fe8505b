"""A real web server of files on this machine, which does wrong what a test asks of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass
class Site:
    """Files by path, and how they are served.

    `breaks_after`: so many bytes of an answer come, then the connection breaks. `silent_after`:
    so many, then nothing more for seconds. `asked` is the Range of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    knows_parts: bool = True
    breaks_after: int | None = None
    silent_after: int | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""
    over: Event = field(default_factory=Event)


class _Server(ThreadingHTTPServer):
    site: Site


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        site.asked.append(self.headers.get("Range", ""))
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.end_headers()
        elif self.path in site.files:
            self._send(site.files[self.path], site)
        else:
            self.send_error(404)

    def _send(self, data: bytes, site: Site) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        at = int(wanted[1]) if wanted and site.knows_parts else 0
        if at >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if at else 200)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - at))
        self.end_headers()
        self._body(data[at:], site)

    def _body(self, data: bytes, site: Site) -> None:
        cut = site.breaks_after if site.breaks_after is not None else site.silent_after
        self.wfile.write(data if cut is None else data[:cut])
        self.wfile.flush()
        if site.silent_after is not None:
            site.over.wait(10)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving() -> Iterator[Site]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.site = Site(url=f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.site
        finally:
            server.site.over.set()
            server.shutdown()
            thread.join()
