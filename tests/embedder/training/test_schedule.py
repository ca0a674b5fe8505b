from __future__ import annotations

from pathlib import Path

import pytest

from embedder.errors import TrainingError
from embedder.training.configuration import COSINE, FILE, STEP, ScheduleOptions
from embedder.training.schedule import make_schedule, read_file


def test_steps() -> None:
    rate = make_schedule(ScheduleOptions(STEP, rate=0.1, drops=(10, 20), factor=0.1), 30)
    assert [rate(at) for at in (0, 9.99)] == [0.1, 0.1]
    assert [rate(at) for at in (10, 19.9, 20, 31)] == pytest.approx([0.01, 0.01, 0.001, 0.001])


def test_half_a_cosine() -> None:
    rate = make_schedule(ScheduleOptions(COSINE, rate=0.3, last=0.1), 10)
    assert [rate(at) for at in (0, 5, 10, 11)] == pytest.approx([0.3, 0.2, 0.1, 0.1])
    # A third of the way: cos(60 degrees) = 0.5.
    assert rate(10 / 3) == pytest.approx(0.1 + 0.2 * 0.75)


def test_warmup_rises_to_the_rate_and_the_cosine_begins_there() -> None:
    rate = make_schedule(ScheduleOptions(COSINE, rate=1.0, warmup=2), 12)
    assert [rate(at) for at in (0, 1, 2, 7, 12)] == pytest.approx([0.01, 0.505, 1, 0.5, 0])


def test_a_schedule_file(tmp_path: Path) -> None:
    path = tmp_path / "rates.txt"
    path.write_text("# epoch: rate\n0: 0.1\n\n65: 0.01   # smaller\n77: 1e-3\n", "utf-8")
    assert read_file(path) == ([0, 65, 77], [0.1, 0.01, 0.001])
    rate = make_schedule(ScheduleOptions(FILE, file=str(path)), 90)
    assert [rate(at) for at in (0, 64.9, 65, 80)] == [0.1, 0.1, 0.01, 0.001]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "rates.txt has no line `EPOCH: RATE`"),
        ("1: 0.1", "rates.txt, line 1: the epochs begin at 0"),
        ("0: 0.1\n5: 0.01\n5: 0.001", "rates.txt, line 3: the epochs begin at 0 and rise"),
        ("0: 0.1\n\nfive: 1", "rates.txt, line 3: 'five: 1' is not `EPOCH: RATE`"),
        ("0: -1", "rates.txt, line 1: '0: -1' is not"),
        ("0: nan", "rates.txt, line 1: '0: nan' is not"),
        ("0 0.1", "rates.txt, line 1: '0 0.1' is not"),
    ],
)
def test_a_bad_schedule_file(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "rates.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(TrainingError) as error:
        read_file(path)
    assert told in str(error.value)
