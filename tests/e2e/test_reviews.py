"""Reviewers at the same moment, through the API of a whole installation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Lfw

from .stack import Api, Stack, eventually

WHO = "Igor_Ivanov"


@pytest.fixture
def strict(api: Api) -> Iterator[str]:
    """Two reviewers have to agree, and everybody alike comes before them."""
    address = f"galleries/{api.gallery}/thresholds"
    before = api.ok(api.http.get(address))["policy"]
    kept = {name: before[name] for name in ("review_fpir", "match_fpir", "reviewers")}
    wanted = {"review_fpir": 0.5, "match_fpir": 0.1, "reviewers": 2}
    api.ok(api.http.patch(address, json=wanted))
    yield api.gallery
    api.ok(api.http.patch(address, json=kept))


def enrolled(api: Api, lfw: Lfw, name: str, *numbers: int) -> str:
    person = api.make_person(name)
    for number in numbers:
        api.upload(person, lfw.bytes(WHO, number))
    return person


def state_of(api: Api, person: str) -> tuple[bool, str]:
    now = api.ok(api.http.get(f"people/{person}"))
    return now["active"], now["held"]


def candidates(api: Api, photo: bytes) -> list[str]:
    (face,) = api.ok(api.identify(photo, top_k="1"))["faces"]
    return [each["person"]["id"] for each in face["candidates"]]


def test_two_reviewers_and_a_third_at_once_have_one_effect(
    api: Api, stack: Stack, lfw: Lfw, strict: str
) -> None:
    first = enrolled(api, lfw, "the first", 1, 2)
    eventually(lambda: candidates(api, lfw.bytes(WHO, 1)) == [first], "the first is found")
    eventually(lambda: len(api.photos(person=first, state="enrolled")) == 2, "by both photos")
    before = api.best(lfw.bytes(WHO, 3))
    again = enrolled(api, lfw, "the same again", 3)
    eventually(lambda: state_of(api, again) == (False, "duplicate"), "the second is held")
    query = {"state": "open", "person": again}
    (review,) = api.ok(api.http.get("reviews", params=query))["results"]
    reviewers = [Api(stack, stack.make_key(role="reviewer")) for _ in range(3)]

    def decide(reviewer: Api) -> Any:
        body = {"verdict": "same", "person": first}
        return reviewer.http.post(f"reviews/{review['id']}/decide", json=body)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(decide, reviewers))

    # Two agree, which decides it; the third comes too late, whoever that is.
    assert Counter(each.status_code for each in answers) == {200: 2, 409: 1}
    (late,) = (each.json()["code"] for each in answers if each.status_code == 409)
    assert late == "review_state"
    assert state_of(api, again) == (False, "merged")
    changes = api.ok(api.http.get(f"people/{first}/changes"))
    assert [(each["kind"], each["other"], each["undone_at"]) for each in changes] == [
        ("merge", again, None)
    ]
    assert len(api.photos(person=first)) == 3
    eventually(lambda: api.best(lfw.bytes(WHO, 3))["score"] != before["score"], "lookups follow")

    def undo(someone: Api) -> Any:
        return someone.http.post(f"reviews/{review['id']}/undo", json={"reason": "a test"})

    # What two have decided one of them doesn't undo.
    assert undo(reviewers[0]).status_code == 403
    administrators = [Api(stack, stack.make_key(role="admin")) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        undone = list(pool.map(undo, administrators))

    assert Counter(each.status_code for each in undone) == {200: 1, 409: 2}
    assert state_of(api, again) == (False, "duplicate")
    assert len(api.photos(person=first)) == 2

    def as_before() -> bool:
        now = api.best(lfw.bytes(WHO, 3))
        return bool(now["person"]["id"] == first and now["score"] == before["score"])

    eventually(as_before, "the template is the one it was")
    for person in (again, first):
        assert api.http.delete(f"people/{person}").status_code == 204
    for each in (*reviewers, *administrators):
        each.http.close()
