"""A photo worker killed in the middle of a batch: each photo has one answer, and is logged once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests import sets
from tests.conftest import Lfw
from tests.e2e.stack import Api, Stack, eventually, running
from tests.fixtures import files

PHOTOS = 100


def test_a_batch_survives_its_worker(tmp_path: Path, lfw: Lfw) -> None:
    photos = [lfw.bytes(person) for person in lfw.people(PHOTOS)]
    with running(Stack(tmp_path, **sets.environment())) as stack:
        api = Api(stack, stack.make_key())
        with closing(api.http):
            sent = api.http.post(
                "identify/batches",
                data={"galleries": api.gallery, "faces": "central"},
                files=[("photos", photo) for photo in photos],
            )
            address = f"identify/batches/{api.ok(sent)['id']}"

            def count(state: str) -> int:
                return int(api.ok(api.http.get(address, params={"limit": 0}))["counts"][state])

            eventually(lambda: count("done") or None, "the first answers", seconds=60, every=0.02)
            victim = stack.kill_process("photos")
            left = PHOTOS - count("done")
            assert left > 0
            stack.await_successor(victim, "photos")
            eventually(lambda: count("done") == PHOTOS, "all answers", seconds=90)

            shown = api.ok(api.http.get(address, params={"limit": PHOTOS}))
            answered = {item["answer"]["search"] for item in shown["items"]}
            logged = api.ok(api.http.get("searches", params={"page_size": "200"}))["results"]
            assert {entry["id"] for entry in logged} == answered
            assert (len(logged), len(answered)) == (PHOTOS, PHOTOS)
            eventually(lambda: not files(stack.var / "media" / "probes"), "no photo is left")
