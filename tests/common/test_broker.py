"""The broker of files: a message is there whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from common import broker
from config.celeryconfig import filesystem_transport


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    options = filesystem_transport(tmp_path)
    with Connection("filesystem://localhost", transport_options=options) as opened:
        yield opened


def test_the_queue_s_connections_use_it(connection: Connection) -> None:
    assert isinstance(connection.default_channel, broker.Channel)


def test_a_message_is_not_seen_before_it_is_whole(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = connection.default_channel
    replace, looks = Path.replace, []

    def look_first(self: Path, target: Path) -> Path:
        with pytest.raises(Empty):
            channel._get("photos")
        looks.append(self)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look_first)
    channel._put("photos", {"number": 1})

    assert len(looks) == 1
    assert channel._get("photos") == {"number": 1}
    with pytest.raises(Empty):
        channel._get("photos")


def test_of_messages_sent_and_taken_at_once_none_is_lost_or_half(connection: Connection) -> None:
    channel = connection.default_channel
    taken: list[int] = []
    deadline = time.monotonic() + 30
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(channel._put, "photos", {"number": each}) for each in range(400)]
        while len(taken) < len(sent):
            assert time.monotonic() < deadline
            with suppress(Empty):
                taken.append(channel._get("photos")["number"])
    assert sorted(taken) == list(range(400))


def test_workers_that_start_at_once_all_find_their_bindings(tmp_path: Path) -> None:
    def bind(number: int) -> None:
        options = filesystem_transport(tmp_path)
        with Connection("filesystem://localhost", transport_options=options) as opened:
            channel = opened.default_channel
            channel._queue_bind("control", "", "", f"worker{number}")
            channel.get_table("control")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bind, range(40)))
    with Connection(
        "filesystem://localhost", transport_options=filesystem_transport(tmp_path)
    ) as opened:
        names = {binding.queue for binding in opened.default_channel.get_table("control")}
    assert names == {f"worker{number}" for number in range(40)}
