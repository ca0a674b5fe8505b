"""Policies in the admin: changed through the service, with what a change would mean."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.actors import actor_of
from accounts.models import User
from audit.models import AuditEntry
from people.models import Gallery
from tests.factories import SYSTEM, GalleryFactory, UserFactory
from tests.fixtures import rows
from tests.identification.logged import crowd
from tests.pages import signed_in, told
from thresholds.models import Calibration, Policy
from thresholds.selectors import outlooks, policy_of
from thresholds.services import bring_recorded, update_policy

pytestmark = pytest.mark.django_db
LIST = "/admin/thresholds/policy/"


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    bring_recorded(SYSTEM)
    crowd(gallery, 40)
    return gallery


def page_of(gallery: Gallery, what: str = "change") -> str:
    return f"{LIST}{gallery.pk}/{what}/"


def form(gallery: Gallery, **changed: Any) -> dict[str, Any]:
    """The page's form as it is filled in, and what is changed in it."""
    policy = policy_of(gallery)
    names = (
        "match_fpir", "review_fpir", "verify_fmr", "margin", "min_probe_quality", "doubtful",
        "keep_probe_days", "duplicates", "misfits", "reviewers", "match_score", "review_score",
    )  # fmt: skip
    filled = {name: getattr(policy, name) for name in names}
    return {
        "reason": "",
        **{name: "" if value is None else value for name, value in filled.items()},
        "calibration": policy.calibration_id or "",
        **changed,
    }


def errors(answer: Any) -> list[str]:
    found = answer.context["adminform"].form.errors
    return [text for texts in found.values() for text in texts]


def test_a_gallery_that_nobody_has_changed_has_a_page(browser: Client, gallery: Gallery) -> None:
    page = browser.get(f"/admin/people/gallery/{gallery.pk}/change/").content.decode()
    assert f'href="{page_of(gallery)}">Thresholds and policy' in page
    assert not Policy.objects.exists()

    page = browser.get(page_of(gallery)).content.decode()

    today, later = outlooks(gallery, policy_of(gallery))
    assert f"{today.match:.4f}" in page
    assert f"{later.searched:,}" in page
    assert not Policy.objects.exists()


def test_a_change_goes_through_the_service(
    browser: Client, gallery: Gallery, site_admin: User
) -> None:
    changed = form(gallery, match_fpir="0.001", doubtful="queue", reason="fewer false alarms")

    answer = browser.post(page_of(gallery), changed)

    assert (answer.status_code, answer["location"]) == (302, LIST)
    policy = Policy.objects.get(gallery=gallery)
    assert (policy.match_fpir, policy.doubtful, policy.review_fpir) == (0.001, "queue", 0.05)
    entry = AuditEntry.objects.get(action="thresholds.policy")
    assert entry.actor == str(actor_of(site_admin))
    assert entry.details == {
        "reason": "fewer false alarms",
        "changes": {"match_fpir": [0.003, 0.001], "doubtful": ["answer", "queue"]},
    }
    assert policy.gallery.name in browser.get(LIST).content.decode()


def test_scores_set_by_hand_need_a_reason(browser: Client, gallery: Gallery) -> None:
    by_hand = form(gallery, match_score="0.98", review_score="0.95")
    before = rows()

    refused = browser.post(page_of(gallery), by_hand)

    assert errors(refused) == ["Scores set by hand need a reason; it stands in the audit log."]
    assert (rows(), Policy.objects.count()) == (before, 0)
    browser.post(page_of(gallery), {**by_hand, "reason": "a trial"})
    policy = Policy.objects.get()
    assert (policy.match_score, policy.override_reason) == (0.98, "a trial")
    assert "a trial" in browser.get(page_of(gallery)).content.decode()
    # Something else can be changed later without saying it again.
    browser.post(page_of(gallery), form(gallery, reviewers="2"))
    policy.refresh_from_db()
    assert (policy.reviewers, policy.override_reason) == (2, "a trial")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"match_fpir": "0.1"}, "The target for a match is above that for a review."),
        ({"review_fpir": "0.9"}, "less than or equal to 0.5"),
        ({"margin": "nan"}, "Enter a number."),
        ({"match_score": "0.9", "reason": "x"}, "Set both scores by hand"),
        ({"person_confirms": "on", "duplicates": "block"}, "nobody can be refused"),
        ({"reviewers": "3"}, "less than or equal to 2"),
        ({"doubtful": "shrug"}, "Select a valid choice."),
        ({"reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_figures_that_contradict_each_other_are_told(
    browser: Client, gallery: Gallery, changed: dict[str, str], message: str
) -> None:
    before = rows()

    answer = browser.post(page_of(gallery), form(gallery, **changed))
    preview = browser.post(page_of(gallery, "preview"), form(gallery, **changed))

    assert len(errors(answer)) == 1
    assert message in errors(answer)[0]
    assert message in preview.content.decode()
    assert (rows(), Policy.objects.count()) == (before, 0)


def test_a_preview_shows_both_and_changes_nothing(browser: Client, gallery: Gallery) -> None:
    before = rows()

    same = browser.post(page_of(gallery, "preview"), form(gallery)).content.decode()
    answer = browser.post(page_of(gallery, "preview"), form(gallery, match_fpir="0.0001"))

    policy = policy_of(gallery)
    old = [each.match for each in outlooks(gallery, policy)]
    policy.match_fpir = 0.0001
    new = [each.match for each in outlooks(gallery, policy)]
    scores = [each["scores"][0] for each in answer.context["outlooks"]]
    assert scores == [f"{score:.4f}" if score <= 1 else "above 1: nobody" for score in old + new]
    assert old != new
    assert "Nothing is changed until it is saved." in answer.content.decode()
    assert "Nothing is changed until it is saved." not in same
    assert (rows(), Policy.objects.count()) == (before, 0)


def test_only_calibrations_of_its_model_and_gallery_can_be_chosen(
    browser: Client, gallery: Gallery
) -> None:
    ours = Calibration.objects.filter(model=gallery.model).first()
    assert ours is not None
    others = [
        Calibration.objects.create(
            model=model, version=90, gallery=of, source="a test", people=1, photos=1, curves={}
        )
        for model, of in ((gallery.model, GalleryFactory()), ("another", None))
    ]
    for other in others:
        refused = browser.post(page_of(gallery), form(gallery, calibration=other.pk))
        assert "Select a valid choice" in errors(refused)[0]
    browser.post(page_of(gallery), form(gallery, calibration=ours.pk))
    assert Policy.objects.get().calibration == ours


def test_without_a_calibration_it_says_so(browser: Client) -> None:
    gallery = GalleryFactory(model="nobody-measured-it")
    assert "No calibration of its model" in browser.get(page_of(gallery)).content.decode()


def test_nothing_changed_is_no_entry(browser: Client, gallery: Gallery) -> None:
    update_policy(SYSTEM, gallery, margin=5)
    entries = AuditEntry.objects.count()
    browser.post(page_of(gallery), form(gallery, reason="only a reason"))
    assert AuditEntry.objects.count() == entries


def test_nobody_s_policy_leads_back(browser: Client) -> None:
    for wrong in ("999999", "abc"):
        answer = browser.get(f"{LIST}{wrong}/change/")
        assert answer.status_code == 302
        assert "exist" in told(answer)[0]
    assert browser.post(f"{LIST}999999/preview/").status_code == 404


def test_only_site_administrators(gallery: Gallery) -> None:
    stranger = signed_in(UserFactory(is_staff=True))
    for what in ("change", "preview"):
        answer = stranger.post(page_of(gallery, what), form(gallery, margin="3"))
        assert answer["location"].startswith("/admin/login/")
    assert not Policy.objects.exists()
