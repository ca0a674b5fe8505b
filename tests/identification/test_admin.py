"""Telemetry in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from identification.models import GalleryTelemetry
from identification.rollup import roll_up
from identification.telemetry_admin import score_bars
from people.models import Gallery
from tests.factories import GalleryFactory, UserFactory
from tests.identification.logged import SURE, crowd, face, found_by_all, log
from tests.pages import queries, signed_in
from tests.thresholds.test_policies import calibration

pytestmark = pytest.mark.django_db
LIST = "/admin/identification/gallerytelemetry/"


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


def page(browser: Client, gallery: Gallery) -> str:
    answer = browser.get(f"{LIST}{gallery.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_says_where_strangers_score_higher(browser: Client, gallery: Gallery) -> None:
    made, quiet = calibration(gallery.model), GalleryFactory(name="Quiet", model=gallery.model)
    crowd(gallery, 400)
    found_by_all(gallery, made, 400, shift=0.1)
    log(quiet, calibration=made)
    log(quiet, calibration=made, at=timezone.now() - timedelta(days=1))
    roll_up()
    answer = browser.get(f"{LIST}?o=-4")
    rows = [(each.name, each.search_count, each.drifts) for each in
            answer.context["cl"].result_list]  # fmt: skip
    assert rows == [(gallery.name, 1, True), ("Quiet", 2, False)]
    assert answer.content.decode().count("higher than foretold") == 1


def test_a_page_with_all_of_it(browser: Client, gallery: Gallery) -> None:
    made = calibration(gallery.model)
    calibration("yunet-sface", shift=-0.3)
    crowd(gallery, 400)
    found_by_all(gallery, made, 400, shift=0.1)
    log(gallery, face((0.2, 0.7), decision="no_match"), calibration=made)
    log(gallery, face((0.2, 0.7)), calibration=made, among=3)
    roll_up()
    text = page(browser, gallery)
    for words in (
        "2 searches with 401 faces; 1 more of a list of people, or with other galleries.",
        "<td>400</td><td>99.8%</td>",
        f"`manage.py calibrate --gallery {gallery.slug}`",
        "0.3 %",
        "Stranger rates of the second best, 400 of them.",
        "Scores of the second",
        "yunet-sface would miss",
        "not installed",
    ):
        assert words in text, words
    assert 'role="alert"' in text
    assert "<script" not in text.partition('class="lk-panel')[2].partition("By day")[0]


def test_pages_of_galleries_with_little(browser: Client, gallery: Gallery) -> None:
    assert "No calibration of mtcnn-dlib-resnet: no decisions" in page(browser, gallery)
    calibration(gallery.model)
    text = page(browser, gallery)
    assert "0 searches with 0 faces." in text
    assert "Estimates need 100 people who were clearly found" in text
    assert "Scores of the best" not in text
    assert "By day" not in text
    assert browser.get(f"{LIST}999/change/").status_code == 302


def test_it_is_only_looked_at(browser: Client, gallery: Gallery) -> None:
    before = Gallery.objects.values().get()
    assert browser.get(f"{LIST}add/").status_code == 403
    assert browser.post(f"{LIST}{gallery.pk}/change/", {"name": "x"}).status_code == 403
    assert browser.post(f"{LIST}{gallery.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Gallery.objects.values().get() == before
    others = signed_in(UserFactory(is_staff=True))
    assert others.get(f"{LIST}{gallery.pk}/change/").status_code == 302


def test_the_sidebar_leads_to_it(browser: Client) -> None:
    assert f'href="{LIST}"' in browser.get("/admin/").content.decode()


def test_the_list_takes_as_many_queries_for_many(browser: Client, gallery: Gallery) -> None:
    queries(browser, LIST)
    few = queries(browser, LIST)
    for each in GalleryFactory.create_batch(10, model=gallery.model):
        log(each, face((0.8, SURE), (0.3, 0.2)), calibration=calibration(each.model))
    roll_up()
    assert queries(browser, LIST) == few
    assert GalleryTelemetry.objects.count() == 11


def test_scores_in_fewer_bars() -> None:
    histogram = [0] * 400
    histogram[100], histogram[101], histogram[380] = 4, 1, 10
    bars = score_bars(histogram)
    assert len(bars) == 36
    assert (bars[0].height, bars[0].title) == ("50.0%", "-0.500 to -0.460: 5")
    assert (bars[-1].height, bars[-1].title) == ("100.0%", "0.900 to 0.940: 10")
    assert score_bars([0] * 400) == []
