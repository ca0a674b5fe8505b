from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from embedder.errors import TrainingError
from embedder.training.configuration import SHIPPED, difference, parse, read

LEAST: dict[str, Any] = {
    "network": {"architecture": "mobilefacenet"},
    "training": {"epochs": 3, "batch": 16},
}


def parsed(tmp_path: Path, **tables: dict[str, Any]) -> Any:
    table = copy.deepcopy(LEAST)
    for name, fields in tables.items():
        table.setdefault(name, {}).update(fields)
    return parse(table, "my.toml", tmp_path)


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    found = parsed(tmp_path)
    assert (found.network.dimension, found.data.share, found.loss.kind) == (128, 0.1, "softmax")
    assert (found.optimiser.kind, found.schedule.kind, found.training.seed) == ("sgd", "cosine", 0)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_can_be_read(path: Path) -> None:
    assert read(path.stem) == read(str(path))


def test_there_are_shipped_ones() -> None:
    assert {path.stem for path in SHIPPED.glob("*.toml")} == {
        "small",
        "fine-tune-dlib",
        "inception-resnet-v1",
    }


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"optimizer": {}}, "my.toml: optimizer is an unknown field."),
        ({"training": {"lr": 1}}, "my.toml [training]: lr is an unknown field. Remove it"),
        ({"augment": {"flip": 1.5}}, "my.toml [augment]: flip is 1.5. Write a number from 0 to 1."),
        ({"augment": {"flip": True}}, "[augment]: flip is [True]"),
        ({"training": {"epochs": 2.5}}, "[training]: epochs is 2.5. Write a whole number"),
        ({"training": {"precision": "fp16"}}, "Write one of fp32, bf16."),
        ({"network": {"architecture": "vgg"}}, "architecture is 'vgg'. Write one of inception"),
        ({"network": {"start": "gone.pt"}}, "gone.pt', which is no file"),
        ({"loss": {"kind": "softmax", "margin": 0.5}}, "margin is an unknown field"),
        ({"loss": {"kind": "triplet", "scale": 2}}, "scale is an unknown field"),
        ({"schedule": {"kind": "step"}}, "[schedule]: drops is missing"),
        ({"schedule": {"kind": "step", "drops": [5, 3]}}, "drops is [5, 3]. Write a list of whole"),
        ({"schedule": {"kind": "file", "file": "no.txt"}}, "no.txt', which is no file"),
        ({"data": {"hold_out": "folds", "folds": [1]}}, "[data]: pairs is missing"),
        ({"data": {"share": float("nan")}}, "[data]: share is [nan]"),
        ({"schedule": {"rate": 10**400}}, "[schedule]: rate is [1000"),
        ({"loss": {"kind": "triplet"}}, "training.photos_each is 0, and triplets need pairs"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, tables: dict[str, Any], told: str) -> None:
    with pytest.raises(TrainingError) as error:
        parsed(tmp_path, **tables)
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["network", "training"])
def test_what_can_not_be_left_out(tmp_path: Path, name: str) -> None:
    table = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(TrainingError, match=f"my.toml: {name} is missing"):
        parse(table, "my.toml", tmp_path)


def test_an_unknown_name_and_broken_toml(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no configuration 'tiny'.*small"):
        read("tiny")
    path = tmp_path / "broken.toml"
    path.write_text("[network\n", "utf-8")
    with pytest.raises(TrainingError, match=r"broken.toml is no TOML"):
        read(str(path))


def test_a_misspelt_name_is_pointed_at(tmp_path: Path) -> None:
    table = {**LEAST, "training": {"epoch": 3, "batch": 4}}
    with pytest.raises(TrainingError, match="epochs is missing; is 'epoch' meant to be it"):
        parse(table, "my.toml", tmp_path)


def test_what_is_no_toml_at_all(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("a = " + "[" * 5_000, "utf-8")
    with pytest.raises(TrainingError, match=r"broken.toml is no TOML"):
        read(str(path))


def test_it_begins_with_nothing_or_a_file_from_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        parsed(tmp_path, network={"architecture": "mobilefacenet", "start": ""}).network.start == ""
    )
    (tmp_path / "rates.txt").write_text("0: 0.1\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    here, there = (
        parsed(folder, schedule={"kind": "file", "file": "rates.txt"}).as_dict()
        for folder in (Path(), tmp_path)
    )
    assert difference(here, there) == ""


def test_files_lie_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "rates.txt").write_text("0: 0.1\n", "utf-8")
    found = parsed(tmp_path, schedule={"kind": "file", "file": "rates.txt"})
    assert found.schedule.file == str(tmp_path / "rates.txt")


def test_the_first_difference_that_matters(tmp_path: Path) -> None:
    one = parsed(tmp_path).as_dict()
    assert difference(one, parsed(tmp_path, training={"workers": 3}).as_dict()) == ""
    assert difference(one, parsed(tmp_path, training={"batch": 8}).as_dict()) == "training.batch"
    assert difference(one, parsed(tmp_path, loss={"center_weight": 0.1}).as_dict()) == (
        "loss.center_weight"
    )
