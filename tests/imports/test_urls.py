"""Photos from web addresses: nobody is led inside, however they try."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from imports.errors import SourceNotAllowed, UnusableSource
from imports.sources import Refused, open_urls
from imports.sources.addresses import is_public, resolve
from imports.sources.urls import UrlSource
from imports.sources.web import Web
from tests.embedder.web import Site, serving

from .archives import LIMITS, entries, refusals

PUBLIC, HERE = "93.184.216.34", "127.0.0.1"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.files["/a.jpg"] = b"photo" * 100
        yield site


def code(found: bytes | object) -> object:
    return found if isinstance(found, bytes) else found.code  # type: ignore[attr-defined]


def here(_host: str, _port: int) -> Sequence[str]:
    return [HERE]


OPEN = Web(resolve=here, is_allowed=lambda _: True, patience=2, seconds=5)
"""The web as if this machine were a public one."""


def port(site: Site) -> int:
    return int(site.url.rpartition(":")[2])


INSIDE = """
    0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.1.2.3 168.63.129.16 169.254.169.254
    172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1
    198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1
    ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1
    2002:7f00:1:: fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 5f00::1 x
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_addresses_that_are_nobody_s_business(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111"])
def test_addresses_of_others(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "[::1]",
     "[::ffff:127.0.0.1]", "0"],
)  # fmt: skip
def test_however_this_machine_is_written_it_is_not_asked(site: Site, host: str) -> None:
    found = Web(patience=2, seconds=5).fetch(f"http://{host}:{port(site)}/a.jpg", 1000)
    assert code(found) in {"blocked_address", "unreachable"}
    assert site.asked == []


def test_one_blocked_address_of_several_is_enough(site: Site) -> None:
    web = replace(OPEN, resolve=lambda *_: [PUBLIC, "10.0.0.1"], is_allowed=is_public)
    assert code(web.fetch(f"http://photos.example:{port(site)}/a.jpg", 1000)) == "blocked_address"


def test_a_name_that_resolves_anew_changes_nothing(site: Site) -> None:
    """DNS rebinding: the connection goes to the address that was judged."""
    answers = iter([["127.0.0.1"], ["10.9.9.9"]])
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    web = replace(OPEN, resolve=rebinding, is_allowed=lambda address: address == HERE)
    url = f"http://photos.example:{port(site)}/a.jpg"
    assert web.fetch(url, 1000) == b"photo" * 100
    assert asked == ["photos.example"]
    assert code(web.fetch(url, 1000)) == "blocked_address"


def test_each_redirect_is_judged_anew(site: Site) -> None:
    base = f"http://photos.example:{port(site)}"
    site.redirects = {
        "/in": f"http://inside.example:{port(site)}/a.jpg",
        "/file": "file:///etc/passwd",
        "/ftp": "ftp://photos.example/a.jpg",
        "/user": f"http://u:p@photos.example:{port(site)}/a.jpg",
        "/loop": "/loop",
        "/on": "a.jpg",
        **{f"/{n}": f"/{n + 1}" for n in range(5)},
        "/5": "/a.jpg",
    }
    web = replace(
        OPEN,
        resolve=lambda host, _: ["10.0.0.1"] if host == "inside.example" else [HERE],
        is_allowed=lambda address: address == HERE,
    )
    codes = {path: code(web.fetch(base + path, 1000)) for path in site.redirects}
    photo = b"photo" * 100
    assert codes == {
        "/in": "blocked_address",
        "/file": "bad_redirect",
        "/ftp": "bad_redirect",
        "/user": "bad_redirect",
        "/loop": "bad_redirect",
        "/on": photo,
        "/0": "bad_redirect",
        **{f"/{n}": photo for n in range(1, 6)},
    }


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://h/a", "gopher://h/", "http://", "http:///a", "//h/a", "a.jpg",
     "http://u:p@h/a", "http://u@h/a", "http://h:99999/a", "http://[::1/a", "http://a b/c"],
)  # fmt: skip
def test_what_is_no_web_address(url: str) -> None:
    assert code(OPEN.fetch(url, 1000)) == "bad_url"


def test_answers_that_are_none(site: Site) -> None:
    assert code(OPEN.fetch(f"{site.url}/none.jpg", 1000)) == "http_status"
    assert code(OPEN.fetch(f"{site.url}/a.jpg", 499)) == "too_large"
    assert OPEN.fetch(f"{site.url}/a.jpg", 500) == b"photo" * 100
    assert OPEN.fetch(f"{site.url}/a.jpg", 500, first=7) == b"photoph"
    assert site.asked[-1] == "bytes=0-6"
    site.breaks_after = 100
    assert code(OPEN.fetch(f"{site.url}/a.jpg", 1000)) == "cut_off"
    away = replace(OPEN, resolve=lambda *_: [])
    assert code(away.fetch(f"{site.url}/a.jpg", 1000)) == "unreachable"


def test_a_server_that_falls_silent(site: Site) -> None:
    site.silent_after = 10
    web = replace(OPEN, patience=0.2)
    assert code(web.fetch(f"{site.url}/a.jpg", 1000)) == "timed_out"


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_drips_forever(beginning: bytes) -> None:
    """Each byte comes in time; the whole never does."""
    with socket.create_server((HERE, 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                try:
                    peer.sendall(beginning)
                    for _ in range(200):
                        peer.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    return

        thread = Thread(target=drip)
        thread.start()
        began = time.monotonic()
        web = replace(OPEN, seconds=0.5)
        found = web.fetch(f"http://photos.example:{server.getsockname()[1]}/", 10**9)
        assert code(found) == "timed_out"
        assert time.monotonic() - began < 3
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"no http", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nx",
     b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_answers_without_sense(answer: bytes) -> None:
    with socket.create_server((HERE, 0)) as server:

        def reply() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(answer)

        thread = Thread(target=reply)
        thread.start()
        found = OPEN.fetch(f"http://photos.example:{server.getsockname()[1]}/", 1000)
        assert code(found) in {"bad_answer", "cut_off", "unreachable"}
        thread.join()


def certificate(folder: Path) -> Path:
    """A certificate and its key, for photos.example alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "photos.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("photos.example")]), False)  # noqa: FBT003
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.mark.parametrize(
    ("host", "answer", "expected"),
    [
        ("photos.example", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nphoto", b"photo"),
        ("other.example", b"", "bad_certificate"),
        ("photos.example", b"HTTP/1.1 302 On\r\nLocation: http://photos.example/\r\n\r\n",
         "bad_redirect"),
        ("photos.example", b"HTTP/1.1 200 OK\r\n\r\n...", "timed_out"),
    ],
)  # fmt: skip
def test_over_tls(tmp_path: Path, host: str, answer: bytes, expected: object) -> None:
    both = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with socket.create_server((HERE, 0)) as server:

        def reply() -> None:
            peer, _ = server.accept()
            with suppress(OSError), context.wrap_socket(peer, server_side=True) as secured:
                secured.recv(1000)
                secured.sendall(answer)
                while answer.endswith(b"..."):
                    secured.sendall(b".")
                    time.sleep(0.05)

        thread = Thread(target=reply)
        thread.start()
        web = replace(OPEN, seconds=1, tls=ssl.create_default_context(cafile=str(both)))
        assert code(web.fetch(f"https://{host}:{server.getsockname()[1]}/", 10**9)) == expected
        thread.join()


def test_the_next_address_is_tried_where_one_is_away(site: Site) -> None:
    web = replace(OPEN, resolve=lambda *_: ["127.0.0.9", HERE])
    assert web.fetch(f"http://photos.example:{port(site)}/a.jpg", 500) == b"photo" * 100


def test_proxies_of_the_environment_are_not_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://10.0.0.1:1")
    assert OPEN.fetch(f"{site.url}/a.jpg", 500) == b"photo" * 100


def test_a_list_of_addresses(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    base = f"http://photos.example:{port(site)}"
    lines = [
        "# a note", f"{base}/a.jpg?size=large", "", f"{base}/x/../a.jpg", "file:///etc/passwd",
        "http://u:hunter2@h/a.jpg", f"{base}/{'x' * 3000}", f"{base}/Anna%20B/none.jpg",
    ]  # fmt: skip
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    with UrlSource(path, LIMITS, OPEN) as source:
        whole = list(source.listing())
        assert site.asked == []
        assert len(whole) == 6
        assert [(e.number, e.name) for e in entries(source)] == [
            (0, "photos.example/a.jpg"), (5, "photos.example/Anna B/none.jpg"),
        ]  # fmt: skip
        assert sorted(refusals(source).values()) == [
            "bad_url",
            "bad_url",
            "name_too_long",
            "unsafe_name",
        ]
        assert "hunter2" not in str(whole)
        assert list(source.listing(3)) == whole[3:]
        site.files["/a.jpg?size=large"] = b"large"
        found = [d.code if isinstance(d, Refused) else d for _, d in source.read(entries(source))]
        assert found == [b"large", "http_status"]
    with pytest.raises(UnusableSource):
        UrlSource(tmp_path / "none", LIMITS)


def test_addresses_are_off_unless_opened(tmp_path: Path, settings: object) -> None:
    path = tmp_path / "urls.txt"
    path.write_text("https://photos.example/a.jpg\n")
    with pytest.raises(SourceNotAllowed, match="IMPORT_URLS"):
        open_urls(path, LIMITS)
    settings.IMPORT_URLS = True  # type: ignore[attr-defined]
    with open_urls(path, LIMITS) as source:
        assert len(entries(source)) == 1


def test_the_system_s_resolver() -> None:
    assert HERE in resolve("localhost", 80)
    with pytest.raises(OSError, match="no host's name"):
        resolve("a" * 70 + ".example", 80)
