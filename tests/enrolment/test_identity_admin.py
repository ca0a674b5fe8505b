"""Who is whom, in the admin: held, merged, split, kept apart, and undone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.actors import actor_of
from accounts.models import User
from enrolment.identities import keep_apart, merge
from enrolment.models import IdentityChange
from people.models import Gallery, Held, Person
from photos.models import Photo
from reviews.models import Review, State, Verdict
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, UserFactory
from tests.fixtures import rows
from tests.pages import acts, queries, signed_in, told

from .people import vectors, with_photos
from .test_review_admin import duplicate

pytestmark = pytest.mark.django_db
LIST = "/admin/people/person/"


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def ann(gallery: Gallery) -> Person:
    return named(with_photos(gallery, 1, 2), "Ann")


@pytest.fixture
def bea(gallery: Gallery) -> Person:
    return named(with_photos(gallery, 3), "Bea")


def named(person: Person, name: str) -> Person:
    Person.objects.filter(pk=person.pk).update(name=name, external_id=f"{name.lower()}-7")
    person.refresh_from_db()
    return person


def page_of(person: Person, what: str = "change") -> str:
    return f"{LIST}{person.pk}/{what}/"


def seen(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def only_change() -> IdentityChange:
    return IdentityChange.objects.get()


# --- Why somebody is held -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (Held.CHECKING, "checking"), (Held.DUPLICATE, "likely duplicate"),
        (Held.REFUSED, "refused"),
    ],
)  # fmt: skip
def test_it_is_said_why_somebody_is_held(
    browser: Client, ann: Person, held: Held, words: str
) -> None:
    Person.objects.filter(pk=ann.pk).update(active=False, held=held)
    for address in (LIST, page_of(ann), page_of(ann, "cards")):
        assert words in seen(browser, address)
        assert "until they are activated" not in seen(browser, address)
    assert ("data-under-way" in seen(browser, page_of(ann, "cards"))) == (held == Held.CHECKING)


def test_a_likely_duplicate_leads_to_the_review(
    browser: Client, gallery: Gallery, ann: Person
) -> None:
    review = duplicate(gallery, ann)
    assert review.person is not None
    way = f'href="/admin/reviews/review/{review.pk}/change/">{{}}</a>'
    assert way.format("open review") in seen(browser, LIST)
    assert way.format("Open review") not in seen(browser, page_of(ann))
    assert way.format("open review") in seen(browser, page_of(review.person))
    Review.objects.update(state=State.DECIDED, verdict=Verdict.UNSURE)
    assert way.format("the review") in seen(browser, page_of(review.person))


def test_who_was_merged_leads_to_who_they_are(browser: Client, ann: Person, bea: Person) -> None:
    merge(SYSTEM, ann, bea)
    way = f'href="{page_of(ann)}">into Ann</a>'
    assert way in seen(browser, LIST)
    page = seen(browser, page_of(bea))
    assert way in page
    assert "They were merged into" in page
    assert "Merge with somebody" not in page


@pytest.mark.parametrize("held", [Held.DUPLICATE, Held.MERGED])
def test_whoever_is_held_can_t_be_activated(
    browser: Client, ann: Person, bea: Person, held: Held
) -> None:
    into = ann if held == Held.MERGED else None
    Person.objects.filter(pk=bea.pk).update(active=False, held=held, merged_into=into)
    before = rows()

    one = browser.post(page_of(bea, "activate"), {"confirmed": "yes"})
    several = browser.post(LIST, {"action": "activate_selected", "_selected_action": bea.pk})

    for answer in (one, several):
        assert f"The platform keeps them out of searches: {held.label}" in told(answer)[0]
    assert rows() == before


def test_held_people_are_filtered(browser: Client, ann: Person, bea: Person) -> None:
    cleo = PersonFactory(gallery=ann.gallery, active=False, held=Held.CHECKING)
    merge(SYSTEM, ann, bea)

    def found(held: str) -> set[Person]:
        return set(browser.get(LIST, {"held": held}).context["cl"].result_list)

    assert found("any") == found("checking") == {cleo}
    assert found("merged") == {bea}
    assert found("refused") == set()


def test_the_list_takes_as_many_queries_for_many_who_are_held(
    browser: Client, gallery: Gallery, ann: Person, bea: Person
) -> None:
    duplicate(gallery, ann)
    merge(SYSTEM, ann, bea)
    few = queries(browser, LIST)
    for seed in range(20, 26):
        duplicate(gallery, ann, seed=seed)
        merge(SYSTEM, ann, with_photos(gallery, seed + 100))
    assert queries(browser, LIST) == few


# --- Finding the other ----------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["merge", "apart"])
def test_the_other_is_found_in_the_same_gallery(
    browser: Client, ann: Person, bea: Person, act: str
) -> None:
    named(with_photos(GalleryFactory(), 9), "Beatrice elsewhere")
    merge(SYSTEM, ann, named(with_photos(ann.gallery, 8), "Bea who is Ann"))

    def found(words: str) -> list[Person]:
        page = browser.get(page_of(ann, act), {"q": words})
        follows = browser.post(page_of(ann, "find"), {"q": words})
        people = [each["person"] for each in page.context["found"] or []]
        assert people == [each["person"] for each in follows.context["found"] or []]
        return people

    assert found("be") == found("bea-7") == found(str(bea.public_id)) == [bea]
    assert found("ann") == found("nobody") == found(" ") == []
    assert f'href="?other={bea.pk}"' in seen(browser, f"{page_of(ann, act)}?q=be")


def test_only_some_are_listed_at_once(browser: Client, gallery: Gallery, ann: Person) -> None:
    PersonFactory.create_batch(20, gallery=gallery)
    page = seen(browser, f"{page_of(ann, 'merge')}?q=person")
    assert page.count('href="?other=') == 12
    assert "There are more" in page


@pytest.mark.parametrize("wrong", ["x", "999999", "-1", "", "9" * 5000])
def test_who_isn_t_there_can_t_be_chosen(
    browser: Client, ann: Person, bea: Person, wrong: str
) -> None:
    elsewhere = with_photos(GalleryFactory(), 9)
    before = rows()
    for other in (wrong, ann.pk, elsewhere.pk):
        for act in ("merge", "apart"):
            address = f"{page_of(ann, act)}?other={other}"
            assert "Name, external id, or id" in seen(browser, address)
            assert browser.post(address).status_code == 200
    assert rows() == before


# --- Merging and keeping apart --------------------------------------------------------------------


def test_a_merge_shows_both_first_and_is_undone_later(
    browser: Client, ann: Person, bea: Person, site_admin: User
) -> None:
    before, templates = rows(), vectors()
    address = f"{page_of(ann, 'merge')}?other={bea.pk}"

    page = seen(browser, address)

    assert "Ann gets the photos of Bea, who is found no more." in page
    assert page.count('/large.jpg"><img') == 3
    assert rows() == before
    answer = browser.post(address, {"reason": "  seen twice "})
    assert (answer["location"], told(answer)) == (page_of(ann), ["Bea is merged into Ann."])
    change = only_change()
    assert (change.person, change.other, change.reason) == (ann, bea, "seen twice")
    assert Photo.objects.filter(person=ann).count() == 3
    page = seen(browser, page_of(ann))
    for words in ("was merged into them", "seen twice", site_admin.username):
        assert words in page
    undoing = f"{page_of(ann)[:-7]}changes/{change.pk}/undo/"
    assert undoing in page
    assert "Undo this merge?" in seen(browser, undoing)

    answer = browser.post(undoing, {"confirmed": "yes", "reason": "twins"})

    assert (answer["location"], told(answer)) == (page_of(ann), ["Undone."])
    assert vectors() == templates
    assert only_change().undone_by == str(actor_of(site_admin))
    page = seen(browser, page_of(bea))
    assert "undone" in page
    assert undoing not in page
    assert [act for _, act in acts()][-2:] == ["identity.merge", "identity.undo"]
    assert told(browser.post(undoing, {"confirmed": "yes"})) == ["This is undone already."]


def test_the_other_way_round(browser: Client, ann: Person, bea: Person) -> None:
    page = seen(browser, f"{page_of(ann, 'merge')}?other={bea.pk}")
    turned = f"?other={bea.pk}&amp;into=other"
    assert turned in page
    browser.post(f"{page_of(ann, 'merge')}{turned.replace('&amp;', '&')}")
    assert (only_change().person, only_change().other) == (bea, ann)


def test_whoever_is_held_goes_into_the_other(browser: Client, ann: Person, bea: Person) -> None:
    Person.objects.filter(pk=ann.pk).update(active=False, held=Held.REFUSED)
    browser.post(f"{page_of(ann, 'merge')}?other={bea.pk}")
    assert (only_change().person, only_change().other) == (bea, ann)


def test_what_is_refused_is_told_and_changes_nothing(
    browser: Client, ann: Person, bea: Person
) -> None:
    keep_apart(SYSTEM, ann, bea)
    before = rows()
    answer = browser.post(f"{page_of(ann, 'merge')}?other={bea.pk}")
    assert told(answer) == ["It was decided that they are two people. Undo that first."]
    assert rows() == before


def test_keeping_apart(browser: Client, ann: Person, bea: Person) -> None:
    address = f"{page_of(ann, 'apart')}?other={bea.pk}"
    assert "Ann and Bea stay two people" in seen(browser, address)
    assert told(browser.post(address)) == ["Ann and Bea are kept apart."]
    assert only_change().kind == "apart"
    assert "are two people" in seen(browser, page_of(bea))


def test_what_a_review_decided_is_undone_there(
    browser: Client, gallery: Gallery, ann: Person
) -> None:
    review = duplicate(gallery, ann)
    browser.post(f"/admin/reviews/review/{review.pk}/decide/", {"same": str(ann.public_id)})
    page = seen(browser, page_of(ann))
    assert f'href="/admin/reviews/review/{review.pk}/change/">decided in a review' in page
    undoing = f"{page_of(ann)[:-7]}changes/{only_change().pk}/undo/"
    assert undoing not in page
    answer = browser.post(undoing, {"confirmed": "yes"})
    assert told(answer)[-1] == "A review decided this. Undo the review's decision."
    assert only_change().undone_at is None


# --- Splitting ------------------------------------------------------------------------------------


def test_photos_are_split_off(browser: Client, ann: Person) -> None:
    photo = Photo.objects.filter(person=ann).first()
    assert photo is not None
    address = page_of(ann, "split")
    assert seen(browser, address).count('name="photos"') == 2

    answer = browser.post(
        address, {"photos": str(photo.public_id), "name": "Cleo", "external_id": "c1", "reason": ""}
    )

    cleo = Person.objects.get(name="Cleo")
    assert (answer["location"], told(answer)) == (
        page_of(cleo), ["Cleo is a person of their own."],
    )  # fmt: skip
    assert [each.person for each in Photo.objects.filter(pk=photo.pk)] == [cleo]
    assert "was split off from them" in seen(browser, page_of(ann))
    assert "They were split off from" in seen(browser, page_of(cleo))


def test_what_can_t_be_split_is_told_and_what_was_written_stays(
    browser: Client, ann: Person, bea: Person
) -> None:
    own, theirs = Photo.objects.filter(person=ann), Photo.objects.get(person=bea)
    before = rows()

    def refused(*photos: Photo, **fields: str) -> Any:
        chosen = [str(each.public_id) for each in photos]
        answer = browser.post(page_of(ann, "split"), {"photos": chosen, "name": "Cleo", **fields})
        assert answer.status_code == 200
        assert rows() == before
        return answer.content.decode()

    assert "Name some of the person&#x27;s photos" in refused()
    assert "leave at least one that is enrolled" in refused(*own)
    assert "There is no photo with this id" in refused(theirs)
    assert "external id &#x27;bea-7&#x27;" in refused(own[0], external_id="bea-7")
    page = refused(own[0], name="")
    assert "This field is required." in page
    assert f'value="{own[0].public_id}" checked' in page


# --- Who may, and what it takes -------------------------------------------------------------------


def test_only_site_administrators(ann: Person, bea: Person) -> None:
    stranger = signed_in(UserFactory(is_staff=True))
    before = rows()
    for what in ("merge", "apart", "find", "split", "changes/1/undo"):
        answer = stranger.post(f"{page_of(ann, what)}?other={bea.pk}", {"confirmed": "yes"})
        assert answer["location"].startswith("/admin/login/")
    assert rows() == before


def test_somebody_who_is_gone(browser: Client) -> None:
    for what in ("merge", "apart", "split", "changes/1/undo"):
        assert browser.get(f"{LIST}99/{what}/")["location"] == LIST
    assert browser.post(f"{LIST}99/find/").status_code == 404


def test_a_page_takes_as_many_queries_for_a_long_history(
    browser: Client, gallery: Gallery, ann: Person, bea: Person
) -> None:
    merge(SYSTEM, ann, bea)
    few = queries(browser, page_of(ann))
    for seed in range(20, 26):
        merge(SYSTEM, ann, with_photos(gallery, seed))
    assert queries(browser, page_of(ann)) == few


def test_names_are_shown_as_text(browser: Client, ann: Person, bea: Person) -> None:
    Person.objects.update(name="<script>alert(1)</script>")
    merge(SYSTEM, ann, with_photos(ann.gallery, 9))
    for address in (
        page_of(ann), page_of(ann, "split"), f"{page_of(ann, 'merge')}?q=alert",
        f"{page_of(ann, 'merge')}?other={bea.pk}",
    ):  # fmt: skip
        assert "<script>alert" not in seen(browser, address), address
