"""Reviews in the admin: seen side by side, decided, undone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.actors import actor_of
from accounts.models import User
from enrolment.services import erase
from identification.models import Probe
from people.models import Gallery, Held, Person
from photos.models import Photo
from reviews.models import Kind, Opinion, Review, State, Verdict
from reviews.services import Question, Resembling, assign, open_review, withdraw
from tests.conftest import Lfw
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, UserFactory
from tests.fixtures import enrol, rows
from tests.identification.logged import log
from tests.pages import acts, queries, signed_in, told
from thresholds.services import bring_recorded, update_policy

from .people import with_photos

pytestmark = pytest.mark.django_db
LIST = "/admin/reviews/review/"


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def first(gallery: Gallery) -> Person:
    return with_photos(gallery, 1, 2, 3, 4)


@pytest.fixture
def review(gallery: Gallery, first: Person) -> Review:
    return duplicate(gallery, first)


def duplicate(gallery: Gallery, *candidates: Person, seed: int = 5, **fields: Any) -> Review:
    """Somebody new who is held, and the question whether they are one of those."""
    new = with_photos(gallery, seed)
    Person.objects.filter(pk=new.pk).update(active=False, held=Held.DUPLICATE)
    return asked(gallery, *candidates, kind=Kind.DUPLICATE, person=new, **fields)


def asked(gallery: Gallery, *candidates: Person, **fields: Any) -> Review:
    thresholds = {"match": 0.97, "review": 0.93, "overridden": False}
    question = Question(
        **{
            "gallery": gallery, "model": gallery.model, "searched": 1200, "reviewers": 1,
            "thresholds": thresholds, **fields,
        },
        candidates=[
            Resembling(each.pk, 0.95 - place / 100, 1 / 240)
            for place, each in enumerate(candidates)
        ],
    )  # fmt: skip
    return open_review(question)


def page_of(review: Review, what: str = "change") -> str:
    return f"{LIST}{review.pk}/{what}/"


def seen(browser: Client, review: Review) -> str:
    answer = browser.get(page_of(review))
    assert answer.status_code == 200
    return answer.content.decode()


def decide(browser: Client, review: Review, **fields: str) -> Any:
    return browser.post(page_of(review, "decide"), fields)


def now(review: Review) -> Review:
    return Review.objects.get(pk=review.pk)


# --- The list -------------------------------------------------------------------------------------


def test_the_list_shows_what_waits_and_filters(
    browser: Client, gallery: Gallery, first: Person, review: Review, site_admin: User
) -> None:
    other = with_photos(GalleryFactory(), 7)
    elsewhere = duplicate(other.gallery, other, seed=8)
    done = duplicate(gallery, first, seed=9)
    Review.objects.filter(pk=done.pk).update(state=State.DECIDED, verdict=Verdict.UNSURE)
    assign(SYSTEM, elsewhere, actor_of(site_admin))

    def found(**filters: object) -> list[Review]:
        return list(browser.get(LIST, filters).context["cl"].result_list)

    assert found() == [review, elsewhere]
    assert found(state="decided") == [done]
    assert found(state="all") == [done, elsewhere, review]
    assert found(gallery__id__exact=gallery.pk) == [review]
    assert found(kind="misfit") == []
    assert found(assigned="me") == [elsewhere]
    assert found(assigned="nobody") == [review]
    assert found(q=str(done.public_id)) == [done]
    shown = browser.get(LIST).content.decode()
    for words in (str(review.person), "0.9500", "0 of 1", site_admin.username, "duplicate"):
        assert words in shown


def test_the_list_takes_as_many_queries_for_many(
    browser: Client, gallery: Gallery, first: Person, review: Review
) -> None:
    few = queries(browser, LIST)
    for seed in range(10, 20):
        duplicate(gallery, first, seed=seed)
    assert queries(browser, LIST) == few


# --- A page ---------------------------------------------------------------------------------------


def test_the_new_person_stands_beside_the_candidates(
    browser: Client, gallery: Gallery, first: Person
) -> None:
    second = with_photos(gallery, 6)
    review = duplicate(gallery, first, second)

    page = seen(browser, review)

    assert "Is this new person one of those enrolled?" in page
    # Of the first three of four faces, of the second one, of the new one.
    assert len(re.findall(r"<img src=\S*/large.jpg", page)) == 3 + 1 + 1
    assert "Score 0.9500" in page
    assert "A stranger would score as high in 1 of 240 searches" in page
    assert "a match from 0.9700, a review from 0.9300" in page
    assert "1,200 templates" in page
    assert page.count('name="same"') == 2


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (0.25, "25 of 100"), (1 / 238, "1 of 240"), (1 / 98_765, "1 of 99,000"),
        (1e-9, "fewer than 1 of 1,000,000"), (1.0, "100 of 100"),
    ],
)  # fmt: skip
def test_rates_are_told_in_words(
    browser: Client, gallery: Gallery, review: Review, rate: float, words: str
) -> None:
    review.candidates.update(stranger_rate=rate)
    assert f"in {words} searches" in seen(browser, review)


def test_a_page_takes_as_many_queries_for_many_candidates(
    browser: Client, gallery: Gallery, review: Review
) -> None:
    few = queries(browser, page_of(review))
    five = [with_photos(gallery, seed, seed + 100) for seed in range(20, 25)]
    assert queries(browser, page_of(duplicate(gallery, *five, seed=30))) == few


def test_names_are_shown_as_text(browser: Client, review: Review) -> None:
    Person.objects.update(name="<script>alert(1)</script>")
    for address in (LIST, page_of(review)):
        assert "<script>alert" not in browser.get(address).content.decode()


# --- Deciding -------------------------------------------------------------------------------------


def test_the_same_person_is_merged_and_undone(
    browser: Client, first: Person, review: Review, site_admin: User
) -> None:
    me = str(actor_of(site_admin))

    answer = decide(browser, review, same=str(first.public_id), note="The scar.")

    assert told(answer) == ["Decided: same person.", "No other review waits for you here."]
    assert answer["location"] == LIST
    assert (now(review).verdict, now(review).chosen) == (Verdict.SAME, first)
    assert review.person is not None
    review.person.refresh_from_db()
    assert review.person.merged_into == first
    assert acts()[-3:] == [(me, "review.opinion"), (me, "review.decide"), (me, "identity.merge")]
    page = seen(browser, review)
    assert "The scar." in page
    assert 'name="same"' not in page
    # The photo that moved is shown as the new person's still, and as nobody else's.
    assert len(re.findall(r"<img src=\S*/large.jpg", page)) == 3 + 1

    undone = browser.post(page_of(review, "undo"), {"reason": "twins"})

    assert told(undone) == ["Undone. The review is open again."]
    review.person.refresh_from_db()
    assert (now(review).state, review.person.held) == (State.OPEN, Held.DUPLICATE)
    assert "undone since" in seen(browser, review)


@pytest.mark.parametrize("verdict", [Verdict.DIFFERENT, Verdict.UNSURE])
def test_the_other_verdicts(browser: Client, review: Review, verdict: Verdict) -> None:
    decide(browser, review, verdict=verdict.value)

    assert now(review).verdict == verdict
    assert review.person is not None
    review.person.refresh_from_db()
    assert review.person.active == (verdict == Verdict.DIFFERENT)


def test_then_comes_the_next_of_the_same_list(
    browser: Client, gallery: Gallery, first: Person, review: Review
) -> None:
    other = with_photos(GalleryFactory(), 7)
    duplicate(other.gallery, other, seed=8)
    theirs = duplicate(gallery, first, seed=9)
    assign(SYSTEM, theirs, actor_of(UserFactory(is_superuser=True)))
    following = duplicate(gallery, first, seed=10)
    came_from = f"gallery__id__exact%3D{gallery.pk}%26kind%3Dduplicate"

    answer = browser.post(
        f"{page_of(review, 'decide')}?_changelist_filters={came_from}", {"verdict": "different"}
    )
    assert answer["location"] == f"{page_of(following)}?_changelist_filters={came_from}"

    answer = browser.post(answer["location"].replace("change/", "decide/"), {"verdict": "unsure"})
    assert answer["location"] == f"{LIST}?gallery__id__exact={gallery.pk}&kind=duplicate"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Say whether it is the same person."),
        ({"verdict": "same"}, "Select a valid choice. same is not one of the available choices."),
        ({"verdict": "unsure", "same": "0198b1a0-0000-7000-8000-000000000000"},
         "Say whether it is the same person."),
        ({"same": "0198b1a0-0000-7000-8000-000000000000"},
         "There is no person with this id, or you have no access to it."),
        ({"same": "x"}, "Enter a valid UUID."),
        ({"verdict": "unsure", "note": "x" * 2001},
         "Ensure this value has at most 2000 characters (it has 2001)."),
    ],
)  # fmt: skip
def test_what_can_t_be_taken_is_told_and_changes_nothing(
    browser: Client, review: Review, fields: dict[str, str], message: str
) -> None:
    before = rows()

    answer = decide(browser, review, **fields)

    assert (told(answer), answer["location"]) == ([message], page_of(review))
    assert rows() == before
    assert not Opinion.objects.exists()


def test_who_is_no_candidate_can_t_be_chosen(
    browser: Client, gallery: Gallery, review: Review
) -> None:
    before = rows()
    answer = decide(browser, review, same=str(PersonFactory(gallery=gallery).public_id))
    assert "Say which of the candidates" in told(answer)[0]
    assert rows()["enrolment.IdentityChange"] == before["enrolment.IdentityChange"]
    assert now(review).state == State.OPEN


def test_what_a_merge_refuses_is_told(browser: Client, first: Person, review: Review) -> None:
    """The candidate is held themselves meanwhile: nothing is taken, the opinion neither."""
    Person.objects.filter(pk=first.pk).update(active=False, held=Held.REFUSED)
    before = rows()
    answer = decide(browser, review, same=str(first.public_id))
    assert "held back themselves" in told(answer)[0]
    assert rows() == before
    assert (now(review).state, Opinion.objects.count()) == (State.OPEN, 0)


def test_opinions_of_others_are_hidden_until_it_is_decided(
    browser: Client, gallery: Gallery, first: Person
) -> None:
    review = duplicate(gallery, first, reviewers=2)
    colleague = UserFactory(is_superuser=True, is_staff=True)
    answer = decide(signed_in(colleague), review, verdict="different", note="The ears differ.")
    assert told(answer)[0] == "Noted. Another reviewer is to say what they think."
    page = seen(browser, review)
    assert "1 opinion given; 2 reviewers have to agree." in page
    assert "The ears differ." not in page
    assert colleague.username not in page
    own = seen(signed_in(colleague), review)
    assert "You have said what you think" in own
    assert 'value="different"' not in own

    decide(browser, review, verdict="different")

    assert now(review).state == State.DECIDED
    page = seen(browser, review)
    assert "The ears differ." in page
    assert colleague.username in page


def test_taking_it_and_giving_it_back(browser: Client, review: Review, site_admin: User) -> None:
    me = actor_of(site_admin)
    browser.post(page_of(review, "assign"), {"to_me": "yes"})
    assert now(review).assigned_to == str(me)
    assert "It is assigned to you." in seen(browser, review)
    colleague = UserFactory(is_superuser=True, is_staff=True)
    page = seen(signed_in(colleague), review)
    assert f"It is assigned to {site_admin.username}." in page
    assert 'value="different"' not in page
    refused = decide(signed_in(colleague), review, verdict="different")
    assert told(refused) == ["Somebody else has this review. Assign it to yourself first."]
    browser.post(page_of(review, "assign"), {"to_nobody": "yes"})
    assert now(review).assigned_to == ""


def test_undoing_what_isn_t_decided_is_refused(browser: Client, review: Review) -> None:
    before = rows()
    answer = browser.post(page_of(review, "undo"), {"reason": "x"})
    assert told(answer) == ["There is no decision to undo: the review is open."]
    assert rows() == before


def test_looking_changes_nothing(browser: Client, review: Review) -> None:
    before = rows()
    for what in ("decide", "assign", "undo"):
        assert browser.get(page_of(review, what))["location"] == page_of(review)
    assert rows() == before
    assert now(review).state == State.OPEN


def test_only_site_administrators_decide_here(gallery: Gallery, review: Review) -> None:
    stranger = signed_in(UserFactory(is_staff=True))
    for what in ("change", "decide", "assign", "undo"):
        answer = stranger.post(page_of(review, what), {"verdict": "unsure", "to_me": "yes"})
        assert answer["location"].startswith("/admin/login/")
    assert stranger.get(f"{LIST}{review.pk}/probe.jpg").status_code == 302
    assert (now(review).state, now(review).assigned_to) == (State.OPEN, "")


# --- What is gone ---------------------------------------------------------------------------------


def test_of_what_is_withdrawn_nobody_is_shown(
    browser: Client, gallery: Gallery, first: Person, review: Review
) -> None:
    assert review.person is not None
    name = review.person.name
    decide(browser, review, same=str(first.public_id), note=f"{name} is {first.name}.")
    browser.post(page_of(review, "undo"), {"reason": "x"})
    withdraw(SYSTEM, review, "a test")
    page, listed = seen(browser, review), browser.get(LIST, {"state": "all"}).content.decode()
    assert "There is nothing left to decide" in page
    for shown in (page, listed):
        assert name not in shown
        assert first.name not in shown
        assert "/face/" not in shown


def test_a_review_goes_with_whom_it_is_about(browser: Client, review: Review) -> None:
    assert review.person is not None
    erase(SYSTEM, review.person)
    assert browser.get(page_of(review))["location"] == "/admin/"
    for what in ("decide", "assign", "undo"):
        answer = browser.post(page_of(review, what), {"verdict": "unsure"})
        assert answer["location"] == LIST
        assert told(answer)[-1].startswith("There is no review with this id")


def test_a_face_that_was_looked_up(browser: Client, gallery: Gallery, first: Person) -> None:
    search = log(gallery)
    review = asked(gallery, first, kind=Kind.SEARCH, search=search.public_id, face_number=0)
    address = f"{LIST}{review.pk}/probe.jpg"
    assert "Its picture isn&#x27;t kept any more." in seen(browser, review)
    assert browser.get(address).status_code == 404
    assert address not in browser.get(LIST).content.decode()

    Probe.objects.create(search=search, number=0, jpeg=b"a face", person=first)

    assert f'<img src="{address}"' in seen(browser, review)
    assert browser.get(address).content == b"a face"
    assert f'src="{address}"' in browser.get(LIST).content.decode()
    decide(browser, review, verdict="different")
    assert now(review).verdict == Verdict.DIFFERENT
    assert browser.get(address).status_code == 404
    assert "Its picture isn&#x27;t kept any more." in seen(browser, review)


def test_of_a_withdrawn_search_no_face_is_served(
    browser: Client, gallery: Gallery, first: Person
) -> None:
    search = log(gallery)
    review = asked(gallery, first, kind=Kind.SEARCH, search=search.public_id, face_number=0)
    Probe.objects.create(search=search, number=0, jpeg=b"a face")
    withdraw(SYSTEM, review, "a test")
    assert browser.get(f"{LIST}{review.pk}/probe.jpg").status_code == 404


@pytest.mark.usefixtures("media")
def test_a_photo_that_does_not_fit(
    browser: Client, gallery: Gallery, person: Person, lfw: Lfw
) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    bring_recorded(SYSTEM)
    update_policy(SYSTEM, gallery, duplicates="allow")
    person.gallery.refresh_from_db()
    right, wrong = enrol(person, lfw.bytes("Donald_Rumsfeld", 1), lfw.bytes("Vladimir_Putin", 1))
    review = Review.objects.get()

    page = seen(browser, review)

    put_aside, theirs = wrong.faces.get(), right.faces.get()
    faces = re.findall(r'<img src="/admin/photos/photo/face/(\d+)/large.jpg"', page)
    assert faces == [str(put_aside.pk), str(theirs.pk)]
    assert "Photos of two people score as high in" in page
    address = f"/admin/people/person/{person.pk}/change/"
    assert f'href="{page_of(review)}">Open review' in browser.get(address).content.decode()
    large = browser.get(f"/admin/photos/photo/face/{theirs.pk}/large.jpg")
    assert large["content-type"] == "image/jpeg"
    decide(browser, review, same=str(person.public_id))
    assert Photo.objects.get(pk=wrong.pk).state == "enrolled"
    assert re.findall(r"face/(\d+)/large.jpg", seen(browser, review))[0] == str(put_aside.pk)


def test_the_audit_log_leads_to_it(browser: Client, review: Review) -> None:
    shown = browser.get("/admin/audit/auditentry/").content.decode()
    assert f"{LIST}?q={review.public_id}" in shown


def test_the_overview_counts_what_waits(browser: Client, review: Review) -> None:
    cards = {card.title: card for card in browser.get("/admin/").context["cards"]}
    assert (cards["Reviews open"].figure, cards["Reviews open"].warning) == ("1", True)
    assert cards["People held"].figure == "1"
    held = browser.get(cards["People held"].url).context["cl"].result_list
    assert list(held) == [review.person]
