"""What installations that are backed up hold, and how to look at it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.conftest import Lfw

from .installation import Installation

# Two people with a photo and a template each; one's photo is in a worker's hands.
ENROL = """
from pathlib import Path
from accounts.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from people.models import Gallery, Person, Role
from photos.intake import examine
from photos.models import Photo
from photos.services import claim, receive
from tests import factories
from vectors.models import IndexGeneration

gallery = Gallery.objects.get()
people = {}
for name in ("Donald_Rumsfeld", "Bill_Clinton"):
    person = Person.objects.create(gallery=gallery, name=name)
    data = Path(PHOTOS, name, f"{name}_0001.jpg").read_bytes()
    receive(factories.SYSTEM, gallery, person, examine(data))
    with transaction.atomic():
        factories.template(person)
    people[name] = str(person.public_id)
claim([], 1, "photos@elsewhere")
factories.api_key(gallery, Role.VIEWER)
Session.objects.create(session_key="abc", session_data="x", expire_date=timezone.now())
User.objects.create(username="leaver")
result = people | {"collections": [each.name for each in IndexGeneration.objects.all()]}
"""
ERASE = """
from enrolment.services import erase
from people.models import Person
from tests.factories import SYSTEM
erase(SYSTEM, Person.objects.get(name="Donald_Rumsfeld"))
"""
STATE = """
from accounts.models import ApiKey, User
from audit.models import AuditEntry
from common.models import IdempotentRequest
from django.contrib.sessions.models import Session
from enrolment.models import Erasure
from operations.models import WorkerHeartbeat
from people.models import Person
from photos.models import Photo
from vectors.models import (
    ActiveIndex, IndexGeneration, IndexSpan, PersonTemplate, VectorOutbox,
)
result = {
    "people": sorted(Person.objects.values_list("name", flat=True)),
    "photos": sorted(Photo.objects.values_list("state", flat=True)),
    "erased": [str(each) for each in Erasure.objects.values_list("person", flat=True)],
    "templates": PersonTemplate.objects.count(),
    "indexed": PersonTemplate.objects.searchable().count(),
    "indexes": [IndexGeneration.objects.count(), ActiveIndex.objects.count()],
    "collections": [each.name for each in IndexGeneration.objects.all()],
    "outbox": VectorOutbox.objects.count() + IndexSpan.objects.count(),
    "sessions": Session.objects.count(),
    "valid_keys": sorted(ApiKey.objects.filter(revoked=False).values_list("prefix", flat=True)),
    "accounts": sorted(User.objects.filter(is_active=True).values_list("username", flat=True)),
    "heartbeats": WorkerHeartbeat.objects.count(),
    "audit": list(AuditEntry.objects.order_by("pk").values_list("action", "actor")),
}
"""
# Every one of these starts programs for seconds; LIKENESS_LONG=1 tries them all.
LONG = os.environ.get("LIKENESS_LONG") == "1"
only_long = pytest.mark.skipif(not LONG, reason="takes long: LIKENESS_LONG=1")
ERASED, KEPT = "Donald_Rumsfeld", "Bill_Clinton"


def enrol(installation: Installation, lfw: Lfw) -> dict[str, Any]:
    installation.ok("prepare")
    photos = f"PHOTOS = {str(lfw.folder / 'images')!r}\n"
    return dict(installation.python(photos + ENROL))
