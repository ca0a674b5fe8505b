"""`python -m embedder train` and `picture`, from a configuration to a report."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from embedder.__main__ import main
from embedder.catalogue import Catalogue
from embedder.training import checkpoints
from embedder.training.commands import better_before
from embedder.training.exclusive import exclusive
from tests.conftest import ROOT
from tests.embedder.training.folders import drawn, people

SMALL = """
[network]
architecture = "mobilefacenet-half"
dropout = 0.2

[augment]
crop = 0.5
colour = 0.5

[loss]
center_weight = 0.01

[schedule]
rate = 0.01

[training]
epochs = 3
batch = 4
workers = 1
threads = 1
ema = 0.9
checkpoint_steps = 2
"""
STEPS = 12


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments of a training of 16 photos: 4 steps an epoch."""
    folder = tmp_path_factory.mktemp("given")
    drawn(folder / "cache", people(8, 4))
    (folder / "small.toml").write_text(SMALL, "utf-8")
    return ["train", str(folder / "small.toml"), "--data", str(folder / "cache")]


@pytest.fixture(scope="module")
def whole(given: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted training leaves."""
    output = tmp_path_factory.mktemp("whole") / "out"
    assert main([*given, "--output", str(output), "--picture", "3"]) == 0
    return output


def rows(output: Path) -> list[dict[str, Any]]:
    lines = (output / "curves.jsonl").read_text("utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def assert_same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of a resumed training the rows of epochs that were done stand behind those of steps."""
        return sorted(rows, key=lambda row: (row["epoch"], row.get("step", 1e9)))

    assert len(one) == len(other)
    for a, b in zip(ordered(one), ordered(other), strict=True):
        assert a == pytest.approx(b, rel=0, abs=1e-6)


def started(given: list[str], output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "embedder", *given, "--output", str(output)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_step(process: subprocess.Popen[str], output: Path, step: int) -> None:
    while process.poll() is None:
        if (output / "curves.jsonl").exists() and any(
            row.get("step") == step for row in rows(output)
        ):
            return
        time.sleep(0.01)
    raise AssertionError(f"it ended before step {step}: {process.stderr and process.stderr.read()}")


def test_killed_at_a_random_step_and_resumed(given: list[str], whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    step = random.SystemRandom().randint(1, STEPS - 2)
    process = started(given, output)
    wait_for_step(process, output, step)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, f"at step {step}"
    assert main([*given, "--output", str(output), "--resume"]) == 0, f"at step {step}"
    assert_same(rows(whole), rows(output))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_by_a_signal_and_resumed(
    given: list[str], whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out"
    process = started(given, output)
    wait_for_step(process, output, 2)
    # As a terminal and systemd do it: to all of its processes.
    os.killpg(process.pid, number)
    _, error = process.communicate()
    assert process.returncode == 130
    told = re.search(r"Stopped after step (\d+) \(epoch \d\). The checkpoint is in", error)
    assert told, error
    assert checkpoints.load(output / "last.pt").step == int(told[1])
    assert main([*given, "--output", str(output), "--resume"]) == 0
    assert_same(rows(whole), rows(output))


def test_what_it_leaves(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == [
        "curves.jsonl", "figures.json", "last.pt", "report.html", "tensorboard",
    ]  # fmt: skip
    assert any((whole / "tensorboard").iterdir())
    figures = json.loads((whole / "figures.json").read_text("utf-8"))
    assert figures.keys() == {"as it began", "trained"}
    measured = [row for row in rows(whole) if "step" not in row]
    assert [row["epoch"] for row in measured] == [0, 1, 2, 3]
    for row, name in ((measured[0], "as it began"), (measured[-1], "trained")):
        assert figures[name]["verification"]["accuracy"] == pytest.approx(row["accuracy"])
        assert figures[name]["ratio"] == pytest.approx(row["ratio"])
    page = (whole / "report.html").read_text("utf-8")
    assert page.count('src="data:image/png;base64,') == 5
    assert "Embeddings in two dimensions" in page
    assert "4 people whom this training never saw" in page
    addresses = re.findall(r'(?:src|href)="(?!data:)', page)
    assert addresses == [], "nothing is fetched"


def test_the_curves_of_tensorboard(whole: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole / "tensorboard"))
    events.Reload()
    steps = [row for row in rows(whole) if "step" in row]
    written = [(event.step, event.value) for event in events.Scalars("train/total")]
    assert written == [(row["step"], pytest.approx(row["total"], rel=1e-6)) for row in steps]
    assert [event.step for event in events.Scalars("held_out/accuracy")] == [0, 4, 8, 12]
    assert len(events.Scalars("train/rate")) == STEPS


def test_it_can_be_exported(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIKENESS_MODELS_DIR", str(tmp_path))
    assert main(["export", str(whole / "last.pt"), "--name", "drawn-people"]) == 0
    assert Catalogue().manifest("drawn-people").engine == "torch"


def test_it_writes_over_nothing(
    given: list[str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (whole / "last.pt").read_bytes()
    assert main([*given, "--output", str(whole)]) == 2
    assert "holds a training already. Go on with it: --resume" in capsys.readouterr().err
    assert main([*given, "--output", str(tmp_path), "--resume"]) == 2
    assert "has no checkpoint to go on with" in capsys.readouterr().err
    assert main([*given, "--output", str(whole), "--resume", "--seed", "4"]) == 2
    assert "another training.seed" in capsys.readouterr().err
    assert (whole / "last.pt").read_bytes() == before


def test_no_cache_and_no_extra(
    given: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [*given[:2], "--data", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "has no index.json. Make it: python -m embedder align" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(arguments) == 2
    assert "make extra-training" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_picture(given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "plane.png"
    assert main(["picture", *given[1:], str(plot), "--people", "3", "--epochs", "1"]) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert re.search(r"\| softmax alone +\| \d", printed)
    assert re.search(r"\| softmax \+ center loss \| \d", printed)


def test_help_needs_no_torch() -> None:
    code = (
        "import sys, embedder.__main__ as m\n"
        "try: m.main(['train', '--help'])\n"
        "finally: assert not {'torch', 'matplotlib', 'rich'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_who_was_trained_on_before_is_not_held_out(
    given: list[str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL.replace(
        "[augment]", f'start = "{whole / "last.pt"}"\n\n[data]\nsplit = 3\n\n[augment]'
    )
    (tmp_path / "again.toml").write_text(text, "utf-8")
    command, _, *rest = given
    arguments = [command, str(tmp_path / "again.toml"), *rest, "--output", str(tmp_path / "out")]
    assert main([*arguments, "--epochs", "1", "--picture", "2"]) == 0
    before, after = (checkpoints.load(each / "last.pt") for each in (whole, tmp_path / "out"))
    assert set(before.people) <= set(after.people)
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Embeddings in two dimensions" in page, "drawn without what it began with"
    assert "Training on " in capsys.readouterr().err


def test_two_trainings_do_not_write_into_one_folder(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    with exclusive(tmp_path / "out"):
        assert main([*given, "--output", str(tmp_path / "out")]) == 2
    assert "Another process writes into" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--seed", "-1"], "'-1' is no whole number from 0"),
        (["--seed", str(2**70)], "is no whole number from 0"),
        (["--epochs", "0"], "'0' is no whole number from 1"),
        (["--picture", "0"], "'0' is no whole number from 1"),
    ],
)
def test_numbers_that_are_none(
    given: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit):
        main([*given, "--output", "out", *arguments])
    assert reason in capsys.readouterr().err


def test_what_a_picture_needs_is_said_first(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main([*given, "--output", str(output), "--picture", "1"]) == 2
    assert "two people or more" in capsys.readouterr().err
    assert not output.exists()
    _, *rest = given
    assert main(["picture", *rest, str(tmp_path / "plane.svg")]) == 2
    assert "Give it a name that ends in .png" in capsys.readouterr().err
    assert main(["picture", *rest, str(tmp_path / "none" / "plane.png")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_an_earlier_epoch_that_was_better_is_named(tmp_path: Path) -> None:
    def row(epoch: int, tmr: float) -> dict[str, float]:
        return {"epoch": epoch, "accuracy": 0.5, "tmr_1e-3": tmr}

    rising = [row(0, 0.9), row(1, 0.2), row(2, 0.4), row(3, 0.4)]
    assert better_before(rising, tmp_path) == []  # it began better: that is in the table
    assert better_before([{"epoch": 1, "accuracy": 0.5}], tmp_path) == []
    (said,) = better_before([*rising, row(4, 0.3)], tmp_path)
    assert said.startswith("TMR at FMR 1e-3 was highest after epoch 3, 0.400: training.keep = 1")
    (tmp_path / "epoch-3.pt").touch()
    (said,) = better_before([*rising, row(4, 0.3)], tmp_path)
    assert f"epoch 3, 0.400: it is in {tmp_path}/epoch-3.pt." in said
