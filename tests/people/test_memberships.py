"""What changes with a role."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from common.models import IdempotentRequest
from people.models import Gallery, Person, Role
from people.services import grant_role, revoke_role
from tests.factories import SYSTEM, UserFactory

pytestmark = pytest.mark.django_db


def test_an_answer_is_not_repeated_to_somebody_who_may_no_longer_see_it(gallery: Gallery) -> None:
    user = UserFactory()
    client = APIClient()
    client.force_login(user)
    grant_role(SYSTEM, gallery, user, Role.OPERATOR)

    def post() -> int:
        body = {"gallery": str(gallery.public_id), "name": "Ann"}
        return client.post("/api/v1/people", body, headers={"Idempotency-Key": "k"}).status_code

    assert [post(), post()] == [201, 201]
    grant_role(SYSTEM, gallery, user, Role.VIEWER)
    assert post() == 403
    revoke_role(SYSTEM, gallery, user)
    assert post() == 404
    assert (Person.objects.count(), IdempotentRequest.objects.count()) == (1, 0)
