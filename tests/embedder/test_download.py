"""Fetching a model's files from a real server that does everything wrong."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from embedder.catalogue import EMBEDDING, Catalogue, File, Manifest
from embedder.catalogue.download import Advance, bring, fetch
from embedder.errors import DownloadError
from tests.embedder.web import Site, serving

DATA = bytes(range(256)) * 1200  # 307,200 bytes: several chunks
NAME = "net.onnx"
FULL = Path("/dev/full")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        made.files[f"/{NAME}"] = DATA
        yield made


def model(url: str, data: bytes = DATA) -> Manifest:
    file = File(path=NAME, sha256=sha256(data).hexdigest(), bytes=len(data), url=url)
    return Manifest(
        name="net", task=EMBEDDING, engine="onnx", title="", licence="", origin=Path("net.toml"),
        files=(file,),
    )  # fmt: skip


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_whole_and_only_once(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    wanted, done = model(f"{site.url}/{NAME}"), []

    @contextmanager
    def stage(title: str, total: int) -> Iterator[Advance]:
        done.append((title, total))
        yield done.append

    assert fetch(wanted, folder, stage) == [folder / NAME]
    assert (folder / NAME).read_bytes() == DATA
    assert names(folder) == [NAME]
    assert done[0] == (NAME, len(DATA))
    assert sum(done[1:]) == len(DATA)

    assert fetch(wanted, folder) == []
    assert site.asked == [""]
    assert Catalogue(folder).locate(wanted) == (folder / NAME,)


@pytest.mark.parametrize("knows_parts", [True, False])
def test_what_broke_off_is_gone_on_with(site: Site, tmp_path: Path, *, knows_parts: bool) -> None:
    wanted = model(f"{site.url}/{NAME}")
    site.breaks_after, site.knows_parts = 100_000, knows_parts
    with pytest.raises(DownloadError, match=r"100,000 of 307,200 bytes\. Run this again"):
        fetch(wanted, tmp_path)
    assert (tmp_path / f"{NAME}.part").read_bytes() == DATA[:100_000]
    assert names(tmp_path) == [f"{NAME}.part"]

    site.breaks_after = None
    assert fetch(wanted, tmp_path) == [tmp_path / NAME]
    assert (tmp_path / NAME).read_bytes() == DATA
    assert names(tmp_path) == [NAME]
    assert site.asked == ["", "bytes=100000-"]


def test_what_was_whole_but_not_named_yet_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA)
    assert fetch(model(f"http://127.0.0.1:1/{NAME}"), tmp_path) == [tmp_path / NAME]
    assert names(tmp_path) == [NAME]


def test_more_than_there_should_be_is_begun_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA + b"x")
    fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert site.asked == [""]


def test_a_server_that_has_less_than_the_part_says_so(site: Site, tmp_path: Path) -> None:
    site.files[f"/{NAME}"] = DATA[:5000]
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:6000])
    with pytest.raises(DownloadError, match=r"5,000 of 307,200"):
        fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert site.asked == ["bytes=6000-", ""]


def test_a_wrong_hash_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files[f"/{NAME}"] = DATA[:-1] + b"x"
    with pytest.raises(DownloadError, match="another SHA-256 than its manifest says"):
        fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert names(tmp_path) == []


def test_a_part_of_another_version_is_found_out(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"another version")
    wanted = model(f"{site.url}/{NAME}")
    with pytest.raises(DownloadError, match="Run this again"):
        fetch(wanted, tmp_path)
    assert names(tmp_path) == []
    assert fetch(wanted, tmp_path) == [tmp_path / NAME]


def test_too_many_bytes_are_not_read_to_their_end(site: Site, tmp_path: Path) -> None:
    site.files[f"/{NAME}"] = DATA * 3
    with pytest.raises(DownloadError, match=r"more than the 307,200 bytes.*Nothing was kept"):
        fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_file_in_its_place_is_replaced_at_once(site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"damaged")
    site.breaks_after = 10
    with pytest.raises(DownloadError):
        fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"damaged"
    site.breaks_after = None
    fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_server_that_falls_silent_is_given_up(site: Site, tmp_path: Path) -> None:
    site.silent_after = 200_000
    with pytest.raises(DownloadError, match=r"broke off: timed out\. Run this again"):
        fetch(model(f"{site.url}/{NAME}"), tmp_path, patience=0.3)
    kept = (tmp_path / f"{NAME}.part").read_bytes()
    assert 0 < len(kept) <= 200_000
    assert DATA.startswith(kept)


def test_no_server_and_no_file_are_said(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127.0.0.1:1 can't be reached.*--file PATH"):
        fetch(model(f"http://user:hunter2@127.0.0.1:1/{NAME}"), tmp_path)
    with pytest.raises(DownloadError, match=r"answers 404 Not Found\. Is the url"):
        fetch(model(f"{site.url}/other"), tmp_path)
    with pytest.raises(DownloadError, match=r"no address.*models pull net --file PATH"):
        fetch(model(""), tmp_path)
    assert names(tmp_path) == []


def test_a_redirect_stays_on_the_web(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    site.redirects = {"/file": secret.as_uri(), "/ftp": "ftp://127.0.0.1/x", "/web": f"/{NAME}"}
    for path, why in (("file", "'file://.* is not allowed"), ("ftp", "ftp://, which is not safe")):
        with pytest.raises(DownloadError, match=why):
            fetch(model(f"{site.url}/{path}"), tmp_path / "models")
    assert names(tmp_path / "models") == []
    assert fetch(model(f"{site.url}/web"), tmp_path / "models") == [tmp_path / "models" / NAME]


def test_two_at_once_do_not_mix(site: Site, tmp_path: Path) -> None:
    with (tmp_path / f"{NAME}.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match=r"Another process fetches net\.onnx"):
            fetch(model(f"{site.url}/{NAME}"), tmp_path)
    assert site.asked == []


def test_a_full_disk_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").symlink_to(FULL)
    with pytest.raises(DownloadError, match=rf"The disk of {tmp_path} is full\. Free some space"):
        fetch(model(f"{site.url}/{NAME}"), tmp_path)


def test_a_folder_that_can_not_be_made_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DownloadError, match=r"taken.*LIKENESS_MODELS_DIR"):
        fetch(model(f"{site.url}/{NAME}"), tmp_path / "taken" / "models")


# By hand


def test_a_file_is_brought_by_hand_under_any_name(tmp_path: Path) -> None:
    source, folder = tmp_path / "downloaded (1).onnx", tmp_path / "models"
    source.write_bytes(DATA)
    assert bring(model(""), source, folder) == folder / NAME
    assert (folder / NAME).read_bytes() == source.read_bytes() == DATA
    assert names(folder) == [NAME]


def test_another_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source, folder = tmp_path / "other.onnx", tmp_path / "models"
    source.write_bytes(b"other")
    with pytest.raises(DownloadError, match=rf"{sha256(b'other').hexdigest()}; net wants"):
        bring(model(""), source, folder)
    assert names(folder) == []
    with pytest.raises(DownloadError, match=r"missing\.onnx: No such file"):
        bring(model(""), tmp_path / "missing.onnx", folder)


def test_what_comes_in_packages_is_not_brought(tmp_path: Path) -> None:
    mtcnn = Catalogue(tmp_path).manifest("mtcnn")
    with pytest.raises(DownloadError, match="mtcnn comes with installed packages"):
        bring(mtcnn, tmp_path / "x", tmp_path)
    assert fetch(mtcnn, tmp_path) == []
