from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from embedder.errors import TrainingError
from embedder.training import checkpoints
from embedder.training.distributed import Processes
from tests.conftest import ROOT
from tests.embedder.training.folders import drawn, people

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    module = ["-m", "tests.embedder.training.shares"]
    one = run(sys.executable, *module, str(tmp_path / "one.pt"))
    assert one.returncode == 0, one.stderr
    two = run(*TORCHRUN, *module, str(tmp_path / "two.pt"))
    assert two.returncode == 0, two.stderr
    alone, shared = (torch.load(tmp_path / f"{name}.pt") for name in ("one", "two"))
    assert alone.keys() == shared.keys()
    assert {name for name in alone if "centers" in name} == {
        "center loss.parts.center.centers",
        "cosface loss.parts.center.centers",
    }
    for name in alone:
        assert alone[name].abs().max() > 0, name
        torch.testing.assert_close(shared[name], alone[name], atol=1e-5, rtol=0)


def test_a_whole_training_of_two_processes(tmp_path: Path) -> None:
    drawn(tmp_path / "cache", people(8, 4))
    configuration = tmp_path / "two.toml"
    configuration.write_text(
        '[network]\narchitecture = "mobilefacenet-half"\n[loss]\ncenter_weight = 0.01\n'
        "[schedule]\nrate = 0.01\n[training]\nepochs = 1\nbatch = 8\nworkers = 0\nthreads = 1\n",
        "utf-8",
    )
    command = ["-m", "embedder", "train", str(configuration), "--data", str(tmp_path / "cache")]
    done = run(*TORCHRUN, *command, "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("1 epochs; report: ") == 1, "one process speaks"
    held = checkpoints.load(tmp_path / "out" / "last.pt")
    assert (held.step, held.epoch) == (2, 1)
    lines = (tmp_path / "out" / "curves.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows if "step" in row] == [1, 2]


def test_a_batch_that_can_not_be_shared_evenly() -> None:
    processes = [Processes(rank, 4, torch.device("cpu")) for rank in range(4)]
    assert [each.share(8) for each in processes] == [slice(n, n + 2) for n in (0, 2, 4, 6)]
    with pytest.raises(TrainingError, match="A batch of 6 can't be shared evenly by 4 processes"):
        processes[0].share(6)
    with pytest.raises(TrainingError, match="leaves 1 photos to each of 4 processes"):
        processes[0].share(4)
    # Triplets: whole groups of a person, of two people at least.
    assert processes[1].share(32, 4) == slice(8, 16)
    for batch in (16, 24):
        with pytest.raises(TrainingError, match="need 8 or more, a multiple of 4"):
            processes[0].share(batch, 4)
