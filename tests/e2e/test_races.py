"""The same thing asked by several at once: one does it, the others hear what is true by then."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.conftest import Lfw

from .stack import Api


def at_once(*requests: Callable[[], httpx.Response]) -> Counter[int]:
    """The statuses of requests sent together."""
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = [pool.submit(request) for request in requests]
        return Counter(answer.result().status_code for answer in answers)


def test_a_person_is_erased_once(api: Api) -> None:
    person = api.make_person("erased six times")
    statuses = at_once(*[lambda: api.http.delete(f"people/{person}")] * 6)
    assert statuses == {204: 1, 404: 5}


def test_changing_somebody_who_is_being_erased(api: Api) -> None:
    person = api.make_person("changed and erased")
    statuses = at_once(
        *[lambda: api.http.patch(f"people/{person}", json={"notes": "x", "active": False})] * 4,
        *[lambda: api.http.delete(f"people/{person}")] * 4,
    )
    assert statuses[204] == 1
    assert set(statuses) <= {200, 204, 404}


def test_a_photo_is_deleted_once_and_not_processed_again_after(api: Api, lfw: Lfw) -> None:
    person = api.make_person("one photo")
    photo = api.upload(person, lfw.bytes("Clay_Aiken", 5))
    api.await_searchable(photo)
    statuses = at_once(
        *[lambda: api.http.post(f"photos/{photo}/process", json={})] * 3,
        *[lambda: api.http.delete(f"photos/{photo}")] * 6,
    )
    assert statuses[204] == 1
    assert set(statuses) <= {202, 204, 404, 409}
    assert api.http.get(f"photos/{photo}").status_code == 404
    assert api.http.delete(f"people/{person}").status_code == 204
