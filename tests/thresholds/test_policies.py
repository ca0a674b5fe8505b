"""Calibrations and policies: who may change them, what follows, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rest_framework.test import APIClient

from audit.models import AuditEntry
from common.errors import Forbidden
from embedder.calibration.curves import RATES, SHARES, curve
from embedder.catalogue import Catalogue
from people.models import Gallery, Role
from tests import factories
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, face, template
from thresholds.models import Calibration, Policy
from thresholds.selectors import calibration_of, limits, policy_of
from thresholds.services import BadPolicy, bring_recorded, calibrate, update_policy
from thresholds.sources import from_gallery
from workers import maintenance

pytestmark = pytest.mark.django_db


def calibration(model: str, shift: float = 0.0, **fields: Any) -> Calibration:
    """One whose strangers score `shift` higher."""
    figures = curve(np.linspace(-0.5, 0.9, len(RATES)) + shift, np.linspace(-0.4, 1, len(SHARES)))
    return Calibration.objects.create(
        model=model,
        version=Calibration.objects.count() + 1,
        source="a test",
        people=100,
        photos=200,
        curves={str(k): figures.as_json() for k in range(1, 5)},
        **fields,
    )


def test_those_that_manifests_carry_are_brought_once() -> None:
    brought = bring_recorded(SYSTEM)
    assert [each.model for each in brought] == ["mtcnn-dlib-resnet"]
    assert bring_recorded(SYSTEM) == []
    carried = Catalogue().model("mtcnn-dlib-resnet").calibration
    assert carried is not None
    kept = Calibration.objects.get()
    assert (kept.public_id, kept.source, kept.made_by) == (carried.id, carried.source, "manifest")
    assert (kept.people, kept.photos, kept.comparisons) == (1_453, 3_318, carried.counts())
    assert kept.curves["4"]["genuine"] == list(carried.genuine[3])


def test_the_sweep_brings_them_and_only_new_ones() -> None:
    maintenance.sweep()
    kept = Calibration.objects.get()
    maintenance.sweep()
    assert Calibration.objects.get() == kept
    assert AuditEntry.objects.filter(action="thresholds.calibrate").count() == 1


def test_a_gallery_s_own_comes_before_a_newer_one_of_its_model(gallery: Gallery) -> None:
    assert calibration_of(gallery) is None
    first = calibration(gallery.model)
    second = calibration(gallery.model)
    assert calibration_of(gallery) == second
    own = calibration(gallery.model, gallery=gallery)
    calibration(gallery.model)
    calibration("another-model")
    calibration(gallery.model, gallery=GalleryFactory())
    assert calibration_of(gallery) == own
    update_policy(SYSTEM, gallery, calibration=first)
    assert calibration_of(gallery) == first
    Gallery.objects.filter(pk=gallery.pk).update(model="a-third")
    gallery.refresh_from_db()
    assert calibration_of(gallery) is None
    assert limits([gallery]) is None


def test_thresholds_follow_the_gallery_from_tier_to_tier(gallery: Gallery) -> None:
    calibration(gallery.model)
    for seed in range(3):
        template(PersonFactory(gallery=gallery), seed)
    small = limits([gallery])
    assert small is not None
    assert (small.searched, small.tier) == (3, 1_000)
    assert small.match > small.review


def test_a_change_is_logged_with_what_was_before(gallery: Gallery) -> None:
    update_policy(SYSTEM, gallery, match_fpir=0.001, reason="the auditor asked")
    entry = AuditEntry.objects.get(action="thresholds.policy")
    assert entry.details == {
        "reason": "the auditor asked", "changes": {"match_fpir": [0.003, 0.001]},
    }  # fmt: skip
    assert policy_of(gallery).match_fpir == 0.001


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"match_fpir": 0.1}, "above that for a review"),
        ({"match_score": 0.9}, "Set both scores"),
        ({"match_score": 0.5, "review_score": 0.6, "reason": "r"}, "below that for a review"),
        ({"match_score": 0.9, "review_score": 0.6}, "need a reason"),
        ({"match_score": 0.9, "review_score": 0.6, "reason": "  "}, "need a reason"),
    ],
)
def test_what_contradicts_itself_is_refused(
    gallery: Gallery, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadPolicy, match=sentence):
        update_policy(SYSTEM, gallery, **changes)
    assert not Policy.objects.exists()
    assert not AuditEntry.objects.filter(action="thresholds.policy").exists()


def test_calibrations_of_others_are_refused(gallery: Gallery) -> None:
    for wrong in (calibration("another"), calibration(gallery.model, gallery=GalleryFactory())):
        with pytest.raises(BadPolicy):
            update_policy(SYSTEM, gallery, calibration=wrong)


def test_only_administrators_of_the_gallery_change_it(gallery: Gallery) -> None:
    with pytest.raises(Forbidden):
        update_policy(factories.actor(gallery, Role.REVIEWER), gallery, margin=5.0)
    assert not Policy.objects.exists()


def test_a_gallery_calibrates_itself(gallery: Gallery) -> None:
    made = calibrate(SYSTEM, gallery.model, from_gallery(crowded(gallery)), gallery=gallery)
    assert (made.version, made.people, made.photos) == (1, 60, 120)
    assert made.comparisons["1"] == {"people": 60, "genuine": 120, "strangers": 120 * 118}
    assert calibration_of(gallery) == made
    with pytest.raises(Forbidden):
        calibrate(factories.actor(gallery, Role.ADMIN), gallery.model, from_gallery(gallery))


def crowded(gallery: Gallery) -> Gallery:
    """Sixty people with two photos each."""
    for seed in range(60):
        person = PersonFactory(gallery=gallery)
        fused = template(person, seed)
        for photo in (1, 2):
            face(person, 1000 * photo + seed, template=fused)
    return gallery


# --- Over HTTP ------------------------------------------------------------------------------------


def test_show_preview_and_change(client_of: Any, gallery: Gallery) -> None:
    made = calibration(gallery.model)
    admin: APIClient = client_of(gallery, Role.ADMIN)
    address = f"/api/v1/galleries/{gallery.public_id}/thresholds"

    shown = admin.get(address).json()
    assert shown["policy"]["match_fpir"] == 0.003
    assert shown["calibration"]["id"] == str(made.public_id)
    now, later = shown["outlook"]
    assert (now["searched"], later["searched"]) == (1, 10)
    assert now["match_fpir"] <= 0.003

    preview = admin.post(f"{address}/preview", {"match_fpir": 0.0001}, format="json").json()
    assert preview["before"] == shown["outlook"]
    assert preview["after"][0]["match"] > now["match"]
    assert preview["after"][0]["match_fnir"] > now["match_fnir"]
    assert admin.get(address).json() == shown

    changed = admin.patch(address, {"match_fpir": 0.0001}, format="json").json()
    assert changed["outlook"] == preview["after"]
    assert changed["tiers"] == preview["tiers"]
    assert [each["tier"] for each in changed["tiers"]] == [10**power for power in range(3, 9)]
    assert all(each["searched"] == each["tier"] for each in changed["tiers"])


def test_show_the_curves(client_of: Any, gallery: Gallery) -> None:
    address = f"/api/v1/galleries/{gallery.public_id}/thresholds/curves"
    viewer: APIClient = client_of(gallery, Role.VIEWER)
    assert viewer.get(address).json()["calibration"] is None
    made = calibration(gallery.model)
    shown = viewer.get(address).json()
    assert shown["calibration"] == str(made.public_id)
    assert {len(shown[name]) for name in ("strangers", "genuine", "fmr", "fnmr")} == {
        len(shown["scores"])
    }
    assert [each["searched"] for each in shown["trades"]] == [1, 10]
    elsewhere = f"/api/v1/galleries/{GalleryFactory().public_id}/thresholds/curves"
    assert viewer.get(elsewhere).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"match_fpir": 0}, 400, "invalid"),
        ({"match_fpir": 0.9}, 400, "invalid"),
        ({"match_fpir": "much"}, 400, "invalid"),
        ({"margin": 0.5}, 400, "invalid"),
        ({"match_score": 2}, 400, "invalid"),
        ({"match_fpir": 0.1}, 422, "bad_policy"),
        ({"calibration": "01a20735-cf10-74a5-9a7c-eb9dc35a0dcb"}, 404, "not_found"),
    ],
)
def test_bad_figures(
    client_of: Any, gallery: Gallery, body: dict[str, Any], status: int, code: str
) -> None:
    address = f"/api/v1/galleries/{gallery.public_id}/thresholds"
    answer = client_of(gallery, Role.ADMIN).patch(address, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Policy.objects.exists()


def test_who_may_see_and_change(client_of: Any, gallery: Gallery) -> None:
    own, others = calibration(gallery.model), calibration(gallery.model, gallery=GalleryFactory())
    viewer = client_of(gallery, Role.VIEWER)
    address = f"/api/v1/galleries/{gallery.public_id}/thresholds"
    assert viewer.get(address).status_code == 200
    assert viewer.patch(address, {"margin": 5}, format="json").status_code == 403
    assert viewer.post(f"{address}/preview", {"margin": 5}, format="json").status_code == 403
    seen = viewer.get("/api/v1/calibrations").json()["results"]
    assert [each["id"] for each in seen] == [str(own.public_id)]
    assert viewer.get(f"/api/v1/calibrations/{others.public_id}").status_code == 404
    elsewhere = f"/api/v1/galleries/{GalleryFactory().public_id}/thresholds"
    assert viewer.get(elsewhere).status_code == 404
