"""The loop, on crops that are drawn: what surrounds the arithmetic is the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from embedder.errors import DivergedError, TrainingError, TrainingStoppedError
from embedder.training import checkpoints, loop
from embedder.training.average import Average
from embedder.training.checkpoints import LAST
from embedder.training.configuration import Configuration
from embedder.training.curves import Row
from embedder.training.data import Crops, divide
from embedder.training.distributed import Processes
from embedder.training.loop import Training
from tests.embedder.training.folders import SIZE, drawn, people, told

ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    """18 photos of 3 people: 5 batches of 4, the last filled up."""
    cache = drawn(tmp_path_factory.mktemp("cache"), people(7, 6))
    return divide(cache, told().data, size=SIZE).train


class Counting:
    """A watcher that remembers, and can do something at a step."""

    def __init__(self, at: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.rows: list[Row] = []
        self.epochs: list[Row] = []
        self._at, self._act = at, act

    def step(self, row: Row, images: int, seconds: float, waited: float) -> None:
        assert images == 4
        assert seconds > waited >= 0
        self.rows.append(row)
        if row["step"] == self._at:
            self._act()

    def epoch(self, row: Row) -> None:
        self.epochs.append(row)


def nothing(_network: nn.Module) -> Row:
    return {}


def prepared(folder: Path, crops: Crops, configuration: Configuration | None = None) -> Training:
    folder.mkdir(exist_ok=True)
    return loop.prepare(configuration or told(), crops, folder, ALONE)


def trained(folder: Path, crops: Crops, **tables: dict[str, Any]) -> Training:
    training = prepared(folder, crops, told(**tables))
    loop.train(training, nothing)
    return training


def assert_same_curves(one: list[Row], other: list[Row]) -> None:
    assert [row.keys() for row in one] == [row.keys() for row in other]
    for a, b in zip(one, other, strict=True):
        assert a == pytest.approx(b, rel=0, abs=1e-6)


def test_checkpoints_of_epochs_are_kept(tmp_path: Path, crops: Crops) -> None:
    trained(tmp_path / "some", crops, training={"epochs": 5, "keep": 2})
    names = sorted(each.name for each in (tmp_path / "some").iterdir())
    assert names == ["epoch-2.pt", "epoch-4.pt", LAST]
    kept = checkpoints.load(tmp_path / "some" / "epoch-4.pt")
    assert (kept.epoch, kept.step) == (4, 20)
    whole = trained(tmp_path / "whole", crops, training={"epochs": 5})
    # How many are kept changes nothing that is computed.
    last = checkpoints.load(tmp_path / "some" / LAST)
    for name, weights in whole.objective.network.state_dict().items():
        assert torch.equal(weights, last.model[name])


def test_an_epoch_covers_the_data_and_all_is_told(tmp_path: Path, crops: Crops) -> None:
    watcher = Counting()
    training = prepared(tmp_path, crops)
    loop.train(training, lambda _: {"accuracy": 0.5}, [watcher])
    assert len(crops.paths) == 18
    assert [row["step"] for row in watcher.rows] == list(range(1, 11))
    assert [row["epoch"] for row in watcher.rows] == [1] * 5 + [2] * 5
    assert watcher.epochs == [{"epoch": epoch, "accuracy": 0.5} for epoch in (0, 1, 2)]
    assert watcher.rows == training.curves.steps
    assert watcher.rows[0].keys() == {
        "step", "epoch", "rate", "total", "softmax", "center", "accuracy",
    }  # fmt: skip
    for row in watcher.rows:
        assert row["total"] == pytest.approx(row["softmax"] + 0.01 * row["center"], rel=1e-6)
    rates = [row["rate"] for row in watcher.rows]
    assert rates == [pytest.approx(0.01 * (1 + math.cos(math.pi * n / 10)) / 2) for n in range(10)]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_it_learns(tmp_path: Path, crops: Crops, kind: str) -> None:
    training = trained(
        tmp_path,
        crops,
        optimiser={"kind": kind},
        schedule={"rate": 0.05 if kind == "sgd" else 0.003},
        training={"epochs": 6},
    )
    losses = training.curves.column("softmax")
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_the_same_seed_gives_the_same_and_another_does_not(tmp_path: Path, crops: Crops) -> None:
    one = trained(tmp_path / "one", crops, training={"epochs": 1})
    same = trained(tmp_path / "same", crops, training={"epochs": 1, "workers": 2})
    other = trained(tmp_path / "other", crops, training={"epochs": 1, "seed": 1})
    assert_same_curves(one.curves.steps, same.curves.steps)
    assert one.curves.steps[0]["total"] != other.curves.steps[0]["total"]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("at", [1, 4, 5, 8])
def test_stopped_and_resumed_is_as_if_uninterrupted(
    tmp_path: Path, crops: Crops, at: int, kind: str
) -> None:
    configuration = told(optimiser={"kind": kind})
    whole = prepared(tmp_path / "whole", crops, configuration)
    loop.train(whole, nothing)

    stopped: list[bool] = []
    training = prepared(tmp_path / "part", crops, configuration)
    with pytest.raises(TrainingStoppedError, match=f"Stopped after step {at + 1} "):
        loop.train(
            training,
            nothing,
            [Counting(at, lambda: stopped.append(True))],
            stop=lambda: bool(stopped),
        )
    again = prepared(tmp_path / "part", crops, configuration)
    loop.resume(again)
    assert again.step == at + 1
    loop.train(again, nothing)
    assert_same_curves(whole.curves.steps, again.curves.steps)
    assert whole.curves.epochs == again.curves.epochs
    for ours, theirs in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert whole.average is not None
    ours, theirs = whole.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours), "statistics of norms, too"


def test_a_finished_training_resumes_into_nothing(tmp_path: Path, crops: Crops) -> None:
    done = trained(tmp_path, crops, training={"epochs": 1})
    again = prepared(tmp_path, crops, told(training={"epochs": 1}))
    loop.resume(again)
    watcher = Counting()
    loop.train(again, nothing, [watcher])
    assert (watcher.rows, again.step) == ([], done.step)


def test_a_diverging_loss_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, crops: Crops
) -> None:
    training = prepared(tmp_path, crops)

    def ruin() -> None:
        with torch.no_grad():
            next(training.objective.network.parameters()).fill_(torch.nan)

    with pytest.raises(DivergedError, match=r"at step 8 \(epoch 2\): the training diverged"):
        loop.train(training, nothing, [Counting(7, ruin)])
    kept = checkpoints.load(tmp_path / LAST)
    assert (kept.step, kept.epoch) == (5, 1)
    assert all(each.isfinite().all() for each in kept.model.values())
    assert all(each.isfinite().all() for each in kept.network().state_dict().values())


def test_an_endless_rate_diverges_before_the_weights_are_spoilt(
    tmp_path: Path, crops: Crops
) -> None:
    training = prepared(
        tmp_path,
        crops,
        told(schedule={"rate": 1e6}, optimiser={"clip": 0.0}, loss={"center_weight": 1e6},
             training={"epochs": 200}),
    )  # fmt: skip
    with pytest.raises(DivergedError, match="is not a finite number at step"):
        loop.train(training, nothing)
    assert all(each.isfinite().all() for each in training.objective.network.parameters())


@pytest.mark.parametrize(
    ("tables", "other"),
    [
        ({"training": {"seed": 5}}, "training.seed"),
        ({"schedule": {"rate": 0.02}}, "schedule.rate"),
        ({"training": {"epochs": 9}}, "training.epochs"),
    ],
)
def test_resuming_with_another_configuration(
    tmp_path: Path, crops: Crops, tables: dict[str, Any], other: str
) -> None:
    training = prepared(tmp_path, crops)
    loop.save(training)
    again = prepared(tmp_path, crops, told(**tables))
    with pytest.raises(TrainingError, match=f"was trained with another {other}. Resume with"):
        loop.resume(again)
    loop.resume(prepared(tmp_path, crops, told(training={"workers": 2})))


def test_resuming_with_other_data(tmp_path: Path, crops: Crops) -> None:
    loop.save(prepared(tmp_path, crops))
    fewer = replace(crops, paths=crops.paths[:-1], labels=crops.labels[:-1], fingerprint="another")
    with pytest.raises(TrainingError, match="was trained on 18 photos; these are 17 or others"):
        loop.resume(prepared(tmp_path, fewer))


def test_resuming_with_another_number_of_processes(tmp_path: Path, crops: Crops) -> None:
    loop.save(prepared(tmp_path, crops))
    again = prepared(tmp_path, crops)
    again.processes = Processes(0, 2, torch.device("cpu"))
    with pytest.raises(TrainingError, match=r"trained by 1 processes, not 2\. Resume with as many"):
        loop.resume(again)


def test_it_can_be_prolonged_where_the_rate_does_not_depend_on_its_length(
    tmp_path: Path, crops: Crops
) -> None:
    steps = {"schedule": {"kind": "step", "rate": 0.01, "drops": [1], "factor": 0.1}}
    whole = trained(tmp_path / "whole", crops, **steps, training={"epochs": 3})
    trained(tmp_path / "part", crops, **steps, training={"epochs": 2})
    again = prepared(tmp_path / "part", crops, told(**steps, training={"epochs": 3}))
    loop.resume(again)
    loop.train(again, nothing)
    assert_same_curves(whole.curves.steps, again.curves.steps)
    with pytest.raises(TrainingError, match=r"another training\.epochs.*network\.start = "):
        loop.resume(prepared(tmp_path / "part", crops, told(**steps, training={"epochs": 2})))


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path, crops: Crops) -> None:
    training = prepared(tmp_path, crops)
    loop.save(training)
    kept = (tmp_path / LAST).read_bytes()
    with torch.no_grad():
        next(training.objective.network.parameters()).fill_(torch.inf)
    training.step = 3
    with pytest.raises(DivergedError, match="a weight is not a finite number at step 3"):
        loop.save(training)
    assert (tmp_path / LAST).read_bytes() == kept


def test_a_checkpoint_knows_all_whom_it_has_seen(tmp_path: Path, crops: Crops) -> None:
    first = prepared(tmp_path / "first", crops)
    loop.save(first)
    start = str(tmp_path / "first" / LAST)
    others = replace(crops, people=("A", "B", "C"))
    second = prepared(tmp_path / "second", others, told(network={"start": start}))
    loop.save(second)
    held = checkpoints.load(tmp_path / "second" / LAST)
    assert held.people == ["A", "B", "C"]
    assert held.seen == sorted({"A", "B", "C", *crops.people})


def test_a_batch_larger_than_the_data(tmp_path: Path, crops: Crops) -> None:
    training = prepared(tmp_path, crops, told(training={"batch": 19}))
    with pytest.raises(TrainingError, match="A batch has 19 photos, but there are only 18"):
        loop.train(training, nothing)


def test_gradients_are_clipped(tmp_path: Path, crops: Crops) -> None:
    lengths = []

    def measure() -> None:
        gradients = [p.grad for p in training.objective.parameters() if p.grad is not None]
        lengths.append(float(torch.stack([g.norm() for g in gradients]).norm()))

    training = prepared(tmp_path, crops, told(optimiser={"clip": 0.25}, training={"epochs": 1}))
    watcher = Counting()
    watcher.step = lambda *_: measure()  # type: ignore[method-assign]
    loop.train(training, nothing, [watcher])
    assert len(lengths) == 5
    assert max(lengths) <= 0.25 + 1e-5
    assert max(lengths) == pytest.approx(0.25, rel=1e-3)


def test_bf16_is_near_fp32(tmp_path: Path, crops: Crops) -> None:
    one, other = (
        trained(tmp_path / precision, crops, training={"precision": precision, "epochs": 1})
        for precision in ("fp32", "bf16")
    )
    assert other.curves.steps[0]["total"] != one.curves.steps[0]["total"]
    assert other.curves.steps[0]["total"] == pytest.approx(one.curves.steps[0]["total"], rel=0.05)
    weights = other.objective.network.parameters()
    assert {each.dtype for each in weights} == {torch.float32}, "weights themselves stay exact"


def test_triplets_and_margins(tmp_path: Path, crops: Crops) -> None:
    triplets = trained(
        tmp_path / "a",
        crops,
        loss={"kind": "triplet"},
        training={"photos_each": 2, "epochs": 1},
    )
    assert "accuracy" not in triplets.curves.steps[0]
    assert "triplet" in triplets.curves.steps[0]
    arcface = trained(tmp_path / "b", crops, loss={"kind": "arcface"}, training={"epochs": 1})
    assert "arcface" in arcface.curves.steps[0]


def test_the_average_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = Average(network, 0.5)
    values = []
    for step, weight in enumerate((2.0, 3.0, 4.0)):
        nn.init.constant_(network.weight, weight)
        average.update(network, step)
        values.append(float(average.network.weight.detach()))  # type: ignore[operator]
    # It keeps 1/10, 2/11, 3/12 at first: 0.1 + 0.9 * 2, and so on.
    first = 0.1 * 1 + 0.9 * 2
    second = first * 2 / 11 + 3 * 9 / 11
    assert values == pytest.approx([first, second, second / 4 + 3])


def test_export_uses_the_average(tmp_path: Path, crops: Crops) -> None:
    training = trained(tmp_path, crops, training={"epochs": 1})
    network = checkpoints.load(tmp_path / LAST).network()
    pixels: Tensor = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(network(pixels), training.network(pixels))
        assert not torch.equal(network(pixels), training.objective.network.eval()(pixels))
