"""The queue of reviews, as reviewers use it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit.models import AuditEntry
from enrolment import adjudication
from enrolment.services import erase
from people.models import Gallery, Held, Person, Role
from reviews.models import Opinion, Review, Verdict
from tests.factories import SYSTEM, GalleryFactory, MembershipFactory, PersonFactory, actor, unit
from tests.fixtures import Client, settle
from thresholds.services import bring_recorded, update_policy
from vectors.models import PersonTemplate
from vectors.selectors import search
from vectors.services import store_template

from .people import admitted, alike, let_in, vectors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("indexed")]
REVIEWS = "/api/v1/reviews"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    bring_recorded(SYSTEM)
    return gallery


@pytest.fixture
def first(gallery: Gallery) -> Person:
    person = admitted(gallery, unit(1))
    let_in(gallery)
    return person


@pytest.fixture
def again(gallery: Gallery, first: Person) -> Person:
    """Somebody new who is like the first."""
    person = admitted(gallery, alike(1))
    let_in(gallery)
    person.refresh_from_db()
    assert person.held == Held.DUPLICATE
    return person


@pytest.fixture
def reviewer(client_of: Client, gallery: Gallery) -> APIClient:
    return client_of(gallery, Role.REVIEWER)


def only(client: APIClient, **filters: str) -> Any:
    answer = client.get(REVIEWS, filters)
    assert answer.status_code == 200, answer.json()
    (review,) = answer.json()["results"]
    return review


def decide(client: APIClient, review: str, verdict: str, **fields: Any) -> Any:
    body = {"verdict": verdict, **fields}
    return client.post(f"{REVIEWS}/{review}/decide", body, format="json")


def found(gallery: Gallery) -> list[tuple[int, float]]:
    """Whom a search for the first one's face finds, once the index has followed."""
    settle(gallery)
    (matches,) = search([gallery], unit(1)[None], 5)
    return [(each.person_id, round(each.score, 6)) for each in matches]


def test_what_a_reviewer_sees(reviewer: APIClient, first: Person, again: Person) -> None:
    review = only(reviewer, state="open", kind="duplicate")
    assert review["person"] == {
        "id": str(again.public_id), "name": again.name, "external_id": "", "active": False,
        "held": "duplicate",
    }  # fmt: skip
    (candidate,) = review["candidates"]
    assert candidate["person"]["id"] == str(first.public_id)
    assert candidate["score"] > review["thresholds"]["review"]
    assert candidate["face"] is None
    assert (review["searched"], review["reviewers"], review["given"]) == (1, 1, 0)
    assert (review["verdict"], review["chosen"], review["opinions"]) == ("", None, [])
    assert reviewer.get(f"{REVIEWS}/{review['id']}").json() == review


def test_an_operator_sees_whom_somebody_held_resembles(
    operator: APIClient, first: Person, again: Person
) -> None:
    shown = operator.get(f"/api/v1/people/{again.public_id}").json()
    candidate = Review.objects.get().candidates.get()
    assert shown["doubt"] == {
        "review": str(Review.objects.get().public_id),
        "resembling": [
            {
                "person": str(first.public_id), "score": candidate.score,
                "stranger_rate": candidate.stranger_rate,
            }
        ],
    }  # fmt: skip
    assert operator.get(f"/api/v1/people/{first.public_id}").json()["doubt"] is None


def test_the_same_person_is_merged_and_undone(
    reviewer: APIClient, gallery: Gallery, first: Person, again: Person
) -> None:
    before, templates = found(gallery), vectors()
    review = only(reviewer)["id"]

    answer = decide(reviewer, review, "same", note="the scar").json()

    assert (answer["state"], answer["verdict"]) == ("decided", "same")
    assert answer["chosen"] == str(first.public_id)
    assert [each["note"] for each in answer["opinions"]] == ["the scar"]
    person = reviewer.get(f"/api/v1/people/{again.public_id}").json()
    assert (person["active"], person["held"]) == (False, "merged")
    assert person["merged_into"] == str(first.public_id)
    (change,) = reviewer.get(f"/api/v1/people/{first.public_id}/changes").json()
    assert (change["kind"], change["review"], change["undone_at"]) == ("merge", review, None)
    # What a review decided is undone in the review.
    refused = reviewer.post(f"/api/v1/changes/{change['id']}/undo", {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "decided_by_review")

    undone = reviewer.post(f"{REVIEWS}/{review}/undo", {"reason": "twins"}, format="json").json()

    assert (undone["state"], undone["verdict"], undone["chosen"]) == ("open", "", None)
    assert undone["undone_because"] == "twins"
    again.refresh_from_db()
    assert (again.held, again.merged_into) == ("duplicate", None)
    assert (found(gallery), vectors()) == (before, templates)
    # What was said the first time stays on record, and the same reviewer may say something else.
    assert [each["round"] for each in undone["opinions"]] == [1]
    assert decide(reviewer, review, "different").status_code == 200


def test_different_people_are_kept_apart_for_ever(
    reviewer: APIClient, gallery: Gallery, first: Person, again: Person
) -> None:
    review = only(reviewer)["id"]
    decide(reviewer, review, "different")
    let_in(gallery)
    again.refresh_from_db()
    assert (again.active, again.held) == (True, "")
    assert {pk for pk, _ in found(gallery)} == {first.pk, again.pk}
    assert Review.objects.count() == 1
    merging = reviewer.post(
        f"/api/v1/people/{first.public_id}/merge", {"person": str(again.public_id)}, format="json"
    )
    assert (merging.status_code, merging.json()["code"]) == (409, "kept_apart")

    reviewer.post(f"{REVIEWS}/{review}/undo", {}, format="json")
    again.refresh_from_db()
    assert (again.active, again.held) == (False, "duplicate")
    assert [pk for pk, _ in found(gallery)] == [first.pk]


def test_what_was_written_of_somebody_goes_with_them(
    reviewer: APIClient, gallery: Gallery, first: Person, again: Person
) -> None:
    review = only(reviewer)["id"]
    decide(reviewer, review, "different", note="Ann Smith has a scar")
    reviewer.post(f"{REVIEWS}/{review}/undo", {"reason": "Ann Smith called"}, format="json")
    assert "Ann Smith" not in str(list(AuditEntry.objects.values("details")))
    erase(SYSTEM, first)
    left = reviewer.get(f"{REVIEWS}/{review}").json()
    assert left["state"] == "withdrawn"
    assert "Ann Smith" not in str(left)


def test_who_cannot_tell_leaves_them_out(
    reviewer: APIClient, gallery: Gallery, again: Person
) -> None:
    assert decide(reviewer, only(reviewer)["id"], "unsure").json()["verdict"] == "unsure"
    again.refresh_from_db()
    assert (again.active, again.held) == (False, "duplicate")


def test_of_several_candidates_one_is_named(
    reviewer: APIClient, gallery: Gallery, first: Person
) -> None:
    other = admitted(gallery, alike(1, 0.03))
    let_in(gallery)
    decide(reviewer, only(reviewer)["id"], "different")
    let_in(gallery)
    third = admitted(gallery, alike(1, 0.01))
    let_in(gallery)
    review = only(reviewer, state="open")
    names = [each["person"]["id"] for each in review["candidates"]]
    assert names == [str(first.public_id), str(other.public_id)]
    for fields in ({}, {"person": str(third.public_id)}):
        refused = decide(reviewer, review["id"], "same", **fields)
        assert (refused.status_code, refused.json()["code"]) == (422, "who_is_it")
    assert decide(reviewer, review["id"], "same", person=names[1]).json()["chosen"] == names[1]
    third.refresh_from_db()
    assert third.merged_into == other


def test_two_reviewers_don_t_see_each_other_and_a_third_settles_it(
    client_of: Client, gallery: Gallery, first: Person
) -> None:
    update_policy(SYSTEM, gallery, reviewers=2)
    again = admitted(gallery, alike(1))
    let_in(gallery)
    one, two, three = (client_of(gallery, Role.REVIEWER) for _ in range(3))
    review = only(one)["id"]

    answer = decide(one, review, "same", note="certain").json()
    assert (answer["state"], answer["given"], len(answer["opinions"])) == ("open", 1, 1)
    seen = two.get(f"{REVIEWS}/{review}").json()
    assert (seen["given"], seen["opinions"]) == (1, [])
    repeated = decide(one, review, "same")
    assert (repeated.status_code, repeated.json()["code"]) == (409, "opinion_given")
    assert decide(two, review, "different").json()["state"] == "open"
    again.refresh_from_db()
    assert again.held == "duplicate"

    answer = decide(three, review, "same").json()

    assert (answer["state"], answer["verdict"], len(answer["opinions"])) == ("decided", "same", 3)
    again.refresh_from_db()
    assert again.merged_into == first
    late = decide(client_of(gallery, Role.REVIEWER), review, "different")
    assert (late.status_code, late.json()["code"]) == (409, "review_state")
    assert Opinion.objects.count() == 3
    assert AuditEntry.objects.filter(action="identity.merge").count() == 1


def test_assigning(client_of: Client, gallery: Gallery, again: Person) -> None:
    one, two = (client_of(gallery, Role.REVIEWER) for _ in range(2))
    review = only(one)["id"]
    address = f"{REVIEWS}/{review}/assign"
    assert one.post(address, {"to": "me"}, format="json").json()["assigned_to"] != ""
    assert only(one, mine="true")["id"] == review
    assert two.get(REVIEWS, {"mine": "true"}).json()["results"] == []
    refused = decide(two, review, "different")
    assert (refused.status_code, refused.json()["code"]) == (409, "review_assigned")

    colleague = MembershipFactory(gallery=gallery, role=Role.REVIEWER).user
    viewer = MembershipFactory(gallery=gallery, role=Role.VIEWER).user
    given = two.post(address, {"to": str(colleague.public_id)}, format="json").json()
    assert given["assigned_to"] == f"user:{colleague.public_id}"
    for to, status, code in (
        (viewer.public_id, 422, "not_a_reviewer"),
        (again.public_id, 404, "not_found"),
        ("everybody", 400, "invalid"),
    ):
        answer = two.post(address, {"to": str(to)}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert two.post(address, {"to": None}, format="json").json()["assigned_to"] == ""
    assert decide(two, review, "different").status_code == 200
    assert two.post(address, {"to": "me"}, format="json").json()["code"] == "review_state"


def test_only_reviewers_of_the_gallery_see_the_queue(
    client_of: Client, gallery: Gallery, again: Person
) -> None:
    review = str(Review.objects.get().public_id)
    for client in (client_of(gallery, Role.OPERATOR), client_of(GalleryFactory(), Role.ADMIN)):
        assert client.get(REVIEWS).json()["results"] == []
        assert client.get(f"{REVIEWS}/{review}").status_code == 404
        for act in ("decide", "undo", "assign"):
            body = {"verdict": "same", "to": "me"}
            assert client.post(f"{REVIEWS}/{review}/{act}", body, format="json").status_code == 404
    assert not Opinion.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"verdict": "maybe"}, {"verdict": "same", "person": "x"},
             {"verdict": "same", "note": "x" * 2001}],
)  # fmt: skip
def test_bad_requests(reviewer: APIClient, again: Person, body: dict[str, str]) -> None:
    review = only(reviewer)["id"]
    assert reviewer.post(f"{REVIEWS}/{review}/decide", body, format="json").status_code == 400
    assert not Opinion.objects.exists()


def test_a_long_queue_takes_no_more_queries(
    reviewer: APIClient, gallery: Gallery, again: Person
) -> None:
    reviewer.get(REVIEWS)
    with CaptureQueriesContext(
        connection,
    ) as few:
        reviewer.get(REVIEWS)
    for seed in range(3, 6):
        PersonTemplate.objects.filter(person=admitted(gallery, unit(seed))).exists()
        let_in(gallery)
        admitted(gallery, alike(seed))
        let_in(gallery)
    with CaptureQueriesContext(connection) as many:
        assert len(reviewer.get(REVIEWS).json()["results"]) == 4
    assert len(many) == len(few)


def test_merging_and_keeping_apart_over_http(
    client_of: Client, gallery: Gallery, first: Person
) -> None:
    other = admitted(gallery, unit(7))
    let_in(gallery)
    reviewer = client_of(gallery, Role.REVIEWER)
    address = f"/api/v1/people/{first.public_id}"
    body = {"person": str(other.public_id), "reason": "told by phone"}
    for client, status in ((client_of(gallery, Role.OPERATOR), 403),
                           (client_of(GalleryFactory(), Role.ADMIN), 404)):  # fmt: skip
        assert client.post(f"{address}/merge", body, format="json").status_code == status
        assert client.post(f"{address}/apart", body, format="json").status_code == status
    merged = reviewer.post(f"{address}/merge", body, format="json")
    assert merged.status_code == 201
    change = merged.json()
    assert (change["kind"], change["reason"], change["other"]) == (
        "merge", "told by phone", str(other.public_id),
    )  # fmt: skip
    upload = {"person": str(other.public_id), "reason": ""}
    again = reviewer.post(f"{address}/merge", upload, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "merged")
    undone = reviewer.post(f"/api/v1/changes/{change['id']}/undo", {"reason": "x"}, format="json")
    assert (undone.status_code, undone.json()["undone_at"] is not None) == (200, True)
    apart = reviewer.post(f"{address}/apart", body, format="json")
    assert (apart.status_code, apart.json()["kind"]) == (201, "apart")
    hidden = client_of(GalleryFactory(), Role.ADMIN).post(
        f"/api/v1/changes/{change['id']}/undo", {}, format="json"
    )
    assert hidden.status_code == 404


def test_whoever_has_waited_longest_is_listed_first(
    gallery: Gallery, again: Person, reviewer: APIClient
) -> None:
    for share in (0.03, 0.04):
        admitted(gallery, alike(1, share))
        let_in(gallery)
    wanted = [str(each.public_id) for each in Review.objects.order_by("pk")]
    page = reviewer.get(REVIEWS, {"page_size": 2}).json()
    rest = reviewer.get(page["next"]).json()
    assert [each["id"] for each in page["results"] + rest["results"]] == wanted
    assert len(wanted) == 3


def test_a_verdict_that_is_no_text_is_refused(again: Person, reviewer: APIClient) -> None:
    answer = reviewer.post(
        f"{REVIEWS}/{Review.objects.get().public_id}/decide",
        b'{"verdict": "\\ud800"}',
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_two_who_chose_different_people_who_are_gone_have_not_agreed(
    gallery: Gallery, first: Person
) -> None:
    update_policy(SYSTEM, gallery, reviewers=2)
    gone = [PersonFactory(gallery=gallery) for _ in range(2)]
    for number, each in enumerate(gone):
        store_template(each, alike(1, 0.01 + number / 500), 1)
    admitted(gallery, alike(1, 0.03))
    let_in(gallery)
    review = Review.objects.get()
    assert review.candidates.count() == 3
    one, other, third = (actor(gallery, Role.REVIEWER) for _ in range(3))
    adjudication.decide(one, review, Verdict.SAME, chosen=gone[0])
    adjudication.decide(other, review, Verdict.SAME, chosen=gone[1])
    for each in gone:
        erase(SYSTEM, each)
    adjudication.decide(third, review, Verdict.DIFFERENT)
    review.refresh_from_db()
    assert (review.state, review.verdict, review.chosen) == ("decided", Verdict.UNSURE, None)


def test_whose_turn_it_is(
    client_of: Client, gallery: Gallery, first: Person, again: Person
) -> None:
    update_policy(SYSTEM, gallery, reviewers=2)
    Review.objects.update(reviewers=2)
    mine, others = (client_of(gallery, Role.REVIEWER) for _ in range(2))
    review = only(mine, turn="true", unassigned="true")
    assert review["answered"] is False
    since = {"gallery": str(gallery.public_id), "since": review["created_at"]}
    before = mine.get(f"{REVIEWS}/standing", since).json()
    assert before == {
        "open": 1, "turn": 1, "mine": 0, "kinds": {"duplicate": 1}, "decided": 0, "said": 0,
    }  # fmt: skip

    assert decide(mine, review["id"], "same").json()["answered"] is True

    # It waits for somebody else, and does not come before the same one again.
    assert mine.get(REVIEWS, {"turn": "true"}).json()["results"] == []
    shown = only(others, turn="true")
    assert (shown["answered"], shown["given"], shown["opinions"]) == (False, 1, [])
    others.post(f"{REVIEWS}/{review['id']}/assign", {"to": "me"}, format="json")
    assert only(others, turn="true", mine="true")["id"] == review["id"]
    third = client_of(gallery, Role.REVIEWER)
    assert third.get(REVIEWS, {"turn": "true"}).json()["results"] == []
    assert third.get(REVIEWS, {"unassigned": "true"}).json()["results"] == []
    decide(others, review["id"], "same")
    after = mine.get(f"{REVIEWS}/standing", since).json()
    assert (after["open"], after["turn"], after["decided"], after["said"]) == (0, 0, 1, 1)


def test_what_was_decided_last_comes_first(
    reviewer: APIClient, gallery: Gallery, first: Person, again: Person
) -> None:
    third = admitted(gallery, alike(1))
    let_in(gallery)
    found = reviewer.get(REVIEWS, {"state": "open"}).json()["results"]
    assert [each["person"]["id"] for each in found] == [
        str(again.public_id), str(third.public_id),
    ]  # fmt: skip
    for each in reversed(found):
        decide(reviewer, each["id"], "unsure")
    page = reviewer.get(REVIEWS, {"state": "decided", "page_size": "1"}).json()
    assert page["results"][0]["id"] == found[0]["id"]
    page = reviewer.get(page["next"]).json()
    assert [each["id"] for each in page["results"]] == [found[1]["id"]]
    nowhere = {"state": "decided", "cursor": "cD1ub25zZW5zZQ=="}
    assert reviewer.get(REVIEWS, nowhere).status_code == 404
