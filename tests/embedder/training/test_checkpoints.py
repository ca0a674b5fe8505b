from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.errors import TrainingError
from embedder.training import checkpoints
from tests.conftest import ROOT
from tests.embedder.trained import checkpoint

# Writes no file larger than a limit: the kernel's own answer to a write that has no room.
FULL = """
import resource, signal, sys
from pathlib import Path
from embedder.errors import TrainingError
from embedder.training import checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
held = checkpoints.load(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoints.save(path, held)
except TrainingError as error:
    print(error)
"""


def test_there_and_back(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, people=("Ann", "Bob"))
    held = checkpoints.load(path)
    checkpoints.save(tmp_path / "other.pt", held)
    again = checkpoints.load(tmp_path / "other.pt")
    assert (again.people, again.step, again.epoch) == (["Ann", "Bob"], 40, 3)
    assert all(torch.equal(again.model[name], held.model[name]) for name in held.model)
    assert [each.name for each in tmp_path.glob("*.part")] == []


def test_no_room_leaves_the_old_one(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    before = path.read_bytes()
    assert len(before) > 100_000
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "can't be written: File too large. The one before is still in last.pt." in done.stdout
    assert "go on with --resume" in done.stdout
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["last.pt"]


def test_damaged_ones_are_refused(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path).read_bytes()
    path = tmp_path / "bad.pt"
    for content in (b"", b"no checkpoint", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match=r"bad.pt is no checkpoint, or damaged"):
            checkpoints.load(path)
    with pytest.raises(TrainingError, match="There is no checkpoint"):
        checkpoints.load(tmp_path / "none.pt")


@given(st.floats(0, 1), st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_a_bit_that_flipped_is_found_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, where: float, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    path = checkpoint(folder)
    before = checkpoints.load(path)
    data = bytearray(path.read_bytes())
    data[min(int(where * len(data)), len(data) - 1)] ^= 1 << bit
    path.write_bytes(data)
    try:
        after = checkpoints.load(path)
    except TrainingError:
        return
    assert after.model.keys() == before.model.keys()
    assert all(torch.equal(after.model[name], before.model[name]) for name in before.model)


@pytest.mark.parametrize("content", [[1, 2], {"format": 1}, {}])
def test_others_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(TrainingError, match="is no checkpoint of format 2"):
        checkpoints.load(tmp_path / "bad.pt")


def test_entries_that_lack_or_are_too_many(tmp_path: Path) -> None:
    content = torch.load(checkpoint(tmp_path), weights_only=True)
    for wrong in ({**content, "more": 1}, {k: v for k, v in content.items() if k != "step"}):
        torch.save(wrong, tmp_path / "bad.pt")
        with pytest.raises(TrainingError, match="lacks or has other entries"):
            checkpoints.load(tmp_path / "bad.pt")


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"format": 2, "model": Harm(tmp_path / "ran")}, tmp_path / "bad.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harm(tmp_path / "ran"), protocol=2))
    for name in ("bad.pt", "plain.pt"):
        with pytest.raises(TrainingError, match="is no checkpoint, or damaged"):
            checkpoints.load(tmp_path / name)
    assert not (tmp_path / "ran").exists()
