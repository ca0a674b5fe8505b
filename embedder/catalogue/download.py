"""Bringing a model's files into the models folder: by the web, or by hand.

A file has its name there only when it is whole and has the SHA-256 of the manifest; until then it
is NAME.part, from which a later run goes on.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from embedder import weights
from embedder.catalogue.manifest import File, Manifest
from embedder.errors import DownloadError, WeightsError

# Seconds without a byte until a server counts as gone.
_PATIENCE = 30.0
_CHUNK = 1 << 16
_READABLE = 0o644
_PARTIAL, _NOT_SATISFIABLE = 206, 416
_STARTS_AT = re.compile(r"bytes (\d+)-")

Advance = Callable[[int], None]
Stage = Callable[[str, int], AbstractContextManager[Advance]]
"""Progress: `with stage("sface.onnx", bytes_to_come) as advance: advance(bytes_done)`."""


@contextmanager
def silent(_title: str, _total: int) -> Iterator[Advance]:
    """Progress that nobody watches."""
    yield lambda _done: None


def fetch(
    manifest: Manifest, folder: Path, stage: Stage = silent, *, patience: float = _PATIENCE
) -> list[Path]:
    """Fetch the files that are missing or wrong, each from its manifest's address alone.

    Returns the paths of those fetched. Raises DownloadError in a sentence with the remedy; a file
    that was broken off stays as NAME.part and is gone on with, a wrong one is removed. `patience`
    is how many seconds a server may be silent.
    """
    wanted = [each for each in manifest.files if not each.package and not _is_there(each, folder)]
    for file in wanted:
        if not file.url:
            raise DownloadError(
                f"{file.path} of {manifest.name} has no address in its manifest. Bring it by "
                f"hand: manage.py models pull {manifest.name} --file PATH"
            )
    return [_fetch_file(file, folder, stage, patience) for file in wanted]


def bring(manifest: Manifest, source: Path, folder: Path) -> Path:
    """Copy a file brought by hand to its place; the manifest's SHA-256 says which one it is.

    Returns its new path. Raises DownloadError when it is none of the manifest's, or can't be
    copied; nothing is left behind then.
    """
    wanted = {each.sha256: each for each in manifest.files if not each.package}
    if not wanted:
        raise DownloadError(f"{manifest.name} comes with installed packages and needs no file.")
    with _told(source, folder), source.open("rb") as stream:
        return _copy(manifest, wanted, stream, folder)


def _copy(manifest: Manifest, wanted: dict[str, File], source: BinaryIO, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".brought-", suffix=".part")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(source, copy)
            os.fsync(copy.fileno())
        found = _sha256(fresh)
        if found not in wanted:
            raise DownloadError(
                f"{Path(source.name).name} has SHA-256 {found}; {manifest.name} wants "
                f"{' or '.join(wanted)}. It is damaged or another version: nothing was kept."
            )
        return _put(fresh, folder / wanted[found].path)
    finally:
        fresh.unlink(missing_ok=True)


def _is_there(file: File, folder: Path) -> bool:
    path = folder / file.path
    try:
        weights.check_sha256(path, file.sha256, "")
    except (WeightsError, OSError):
        return False
    return True


def _fetch_file(file: File, folder: Path, stage: Stage, patience: float) -> Path:
    part = folder / f"{file.path}.part"
    with _told(_host(file), folder):
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as stream:
            _lock(stream, file)
            try:
                with stage(file.path, file.bytes) as advance:
                    _complete(file, stream, advance, patience)
                    _check(file, stream)
            except _OtherFileError:
                part.unlink()
                raise
            finally:
                stream.flush()
                _drop_if_empty(part)
            return _put(part, folder / file.path)


class _OtherFileError(DownloadError):
    """What comes is not the manifest's file: none of it is kept."""


def _drop_if_empty(part: Path) -> None:
    if part.exists() and not part.stat().st_size:
        part.unlink()


def _host(file: File) -> str:
    return urlsplit(file.url).netloc.rpartition("@")[2]


def _lock(stream: IO[bytes], file: File) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadError(
            f"Another process fetches {file.path} at this moment. Wait for its end."
        ) from error


def _complete(file: File, stream: IO[bytes], advance: Advance, patience: float) -> None:
    """Append what is missing of the file, or all of it where the server knows no parts."""
    have = os.fstat(stream.fileno()).st_size
    if have == file.bytes:
        return
    if have > file.bytes:
        have = stream.truncate(0)
    with _open(file.url, have, patience) as answer:
        if have and not _goes_on_at(answer, have):
            have = stream.truncate(0)
        advance(have)
        _append(file, answer, stream, advance, have)


def _check(file: File, stream: IO[bytes]) -> None:
    os.fsync(stream.fileno())
    if _sha256(Path(stream.name)) != file.sha256:
        raise _OtherFileError(
            f"What {_host(file)} sent for {file.path} has another SHA-256 than its manifest says: "
            "it is damaged or another version, and was removed. Run this again; if it stays so, "
            "correct sha256 or url in the manifest."
        )


def _open(url: str, start: int, patience: float) -> HTTPResponse:
    headers = {"User-Agent": "likeness", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = build_opener(_SafeRedirects())
    try:
        # The scheme is http or https: the manifest's reader saw to it.
        answer: HTTPResponse = opener.open(Request(url, headers=headers), timeout=patience)  # noqa: S310
    except HTTPError as error:
        error.close()
        if start and error.code == _NOT_SATISFIABLE:
            return _open(url, 0, patience)
        raise
    return answer


class _SafeRedirects(HTTPRedirectHandler):
    """Follows a server elsewhere on the web, but never from https to what anybody can change."""

    def redirect_request(  # noqa: PLR0917 - urllib's own
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The next request. Raises URLError for another kind of address."""
        scheme = urlsplit(newurl).scheme
        if scheme not in {"https", req.type}:
            raise URLError(f"it refers to an address of the kind {scheme}://, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _goes_on_at(answer: HTTPResponse, start: int) -> bool:
    said = _STARTS_AT.match(answer.headers.get("Content-Range", ""))
    return answer.status == _PARTIAL and said is not None and int(said[1]) == start


def _append(
    file: File, answer: HTTPResponse, stream: IO[bytes], advance: Advance, have: int
) -> None:
    while chunk := answer.read(_CHUNK):
        have += len(chunk)
        if have > file.bytes:
            raise _OtherFileError(
                f"{_host(file)} sends more than the {file.bytes:,} bytes that {file.path} has by "
                "its manifest: it is another version. Nothing was kept; correct url, bytes and "
                "sha256 in the manifest."
            )
        stream.write(chunk)
        advance(len(chunk))
    stream.flush()
    if have < file.bytes:
        raise DownloadError(
            f"{_host(file)} ended {file.path} after {have:,} of {file.bytes:,} bytes. Run this "
            "again: it goes on from there."
        )


def _put(fresh: Path, target: Path) -> Path:
    """Give a whole file, which is on the disk, its name."""
    fresh.chmod(_READABLE)
    return fresh.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _told(source: Path | str, folder: Path) -> Iterator[None]:
    """Errors of network and disk as sentences."""
    try:
        yield
    except HTTPError as error:
        raise DownloadError(
            f"{source} answers {error.code} {error.reason}. Is the url in the manifest right?"
        ) from error
    except (URLError, TimeoutError, ConnectionError, ssl.SSLError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        reason = getattr(cause, "strerror", None) or cause or type(error).__name__
        raise DownloadError(
            f"{source} can't be reached, or broke off: {reason}. Run this "
            "again: it goes on where it stopped. Without a way to it, fetch the file elsewhere and "
            "use --file PATH."
        ) from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DownloadError(
                f"The disk of {folder} is full. Free some space and run this again."
            ) from error
        raise DownloadError(
            f"{error.filename or folder}: {error.strerror or error}. Name another "
            "folder (LIKENESS_MODELS_DIR), or run this as a user who may read and write there."
        ) from error
