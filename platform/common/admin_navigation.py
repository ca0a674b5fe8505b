"""The admin's sidebar, and what its pages load beside Unfold's own files."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse

# Groups of (title, icon, model as app_model).
GROUPS = (
    ("Work", (
        ("Reviews", "rule", "reviews_review"),
        ("People", "group", "people_person"),
        ("Photos", "photo_library", "photos_photo"),
        ("Imports", "upload_file", "imports_importjob"),
        ("Searches", "person_search", "identification_search"),
    )),
    ("Galleries", (
        ("Galleries", "collections_bookmark", "people_gallery"),
        ("Policies", "tune", "thresholds_policy"),
        ("Calibrations", "straighten", "thresholds_calibration"),
        ("Telemetry", "monitoring", "identification_gallerytelemetry"),
        ("Memberships", "badge", "people_membership"),
        ("API keys", "key", "accounts_apikey"),
    )),
    ("Index", (
        ("Generations", "database", "vectors_indexgeneration"),
        ("Active indexes", "check_circle", "vectors_activeindex"),
        ("Outbox", "outbox", "vectors_vectoroutbox"),
        ("Ranges", "data_array", "vectors_indexspan"),
    )),
    ("System", (
        ("Users", "person", "accounts_user"),
        ("Audit log", "history", "audit_auditentry"),
        ("Erasures", "delete_forever", "enrolment_erasure"),
        ("Workers", "memory", "operations_workerheartbeat"),
    )),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's description of the sidebar: the pages that there are."""
    home = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    groups = [
        {"title": title, "separator": True, "items": [each for each in map(_item, items) if each]}
        for title, items in GROUPS
    ]
    return [{"items": [home]}, *groups]


def _item(item: tuple[str, str, str]) -> dict[str, str] | None:
    title, icon, model = item
    try:
        return {"title": title, "icon": icon, "link": reverse(f"admin:{model}_changelist")}
    except NoReverseMatch:
        return None


def style(request: HttpRequest) -> str:
    """The address of our style sheet."""
    return static("likeness/admin.css")


def script(request: HttpRequest) -> str:
    """The address of our script."""
    return static("likeness/admin.js")


def icon(request: HttpRequest) -> str:
    """The address of the sign in the browser's tab."""
    return static("likeness/icon.svg")
