"""The log only grows, and names nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from rest_framework.test import APIClient

from audit.models import AppendOnlyError, AuditEntry
from audit.services import record
from people.models import Gallery
from tests.embedder.pictures import saved, scene
from tests.fixtures import upload

pytestmark = pytest.mark.django_db


def test_entries_can_be_neither_changed_nor_deleted(gallery: Gallery) -> None:
    record("user:1", "gallery.create", "gallery:1", gallery.public_id, count=1)
    entry = AuditEntry.objects.get()
    entry.actor = "user:2"
    for attempt in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(actor="user:2"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(actor="user:2"),
    ):
        with pytest.raises(AppendOnlyError):
            attempt()
    assert AuditEntry.objects.get().actor == "user:1"
    assert str(AuditEntry.objects.get()).endswith("user:1 gallery.create gallery:1")


def test_every_write_leaves_one_entry_without_a_name(admin_api: APIClient, media: Path) -> None:
    secrets = ["Wilhelmina", "Quux", "record-77", "wilhelmina.png", "Zanzibar"]
    gallery = admin_api.post(
        "/api/v1/galleries", {"name": secrets[4], "slug": "secret-slug"}, format="json"
    ).json()
    at = f"/api/v1/galleries/{gallery['id']}"
    person = admin_api.post(
        "/api/v1/people",
        {"gallery": gallery["id"], "name": secrets[0], "external_id": secrets[2]},
        format="json",
    ).json()
    here = f"/api/v1/people/{person['id']}"
    photo = admin_api.post(
        "/api/v1/photos",
        {"person": person["id"], "photo": upload(saved(scene(), "PNG"), secrets[3])},
        format="multipart",
    ).json()
    admin_api.patch(at, {"min_face": 60, "description": secrets[1]}, format="json")
    admin_api.patch(here, {"name": secrets[1], "metadata": {"a": secrets[1]}}, format="json")
    admin_api.patch(here, {"active": False}, format="json")
    admin_api.patch(here, {"active": False}, format="json")
    admin_api.patch(here, {"active": True}, format="json")
    admin_api.delete(f"/api/v1/photos/{photo['id']}")
    admin_api.delete(here)
    admin_api.delete(at)

    entries = list(AuditEntry.objects.order_by("id"))
    assert [(entry.action, entry.target, entry.details) for entry in entries] == [
        ("gallery.create", f"gallery:{gallery['id']}", {}),
        ("person.create", f"person:{person['id']}", {}),
        ("photo.receive", f"photo:{photo['id']}", {}),
        ("gallery.update", f"gallery:{gallery['id']}", {"fields": ["description", "min_face"]}),
        ("person.update", f"person:{person['id']}", {"fields": ["metadata", "name"]}),
        ("person.deactivate", f"person:{person['id']}", {}),
        ("person.activate", f"person:{person['id']}", {}),
        ("photo.delete", f"photo:{photo['id']}", {}),
        ("person.erase", f"person:{person['id']}", {}),
        ("gallery.delete", f"gallery:{gallery['id']}", {}),
    ]
    assert {entry.actor.partition(":")[0] for entry in entries} == {"user"}
    assert {str(entry.gallery) for entry in entries} == {gallery["id"]}
    text = str([entry.__dict__ for entry in entries])
    assert [secret for secret in [*secrets, "secret-slug"] if secret in text] == []
