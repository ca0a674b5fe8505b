"""Lists of the admin with addresses that no page of ours has: numbers that no column holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.db import models
from django.urls import reverse

from accounts.models import User
from tests.pages import signed_in

pytestmark = pytest.mark.django_db
NINES = "9" * 30


def lists() -> list[type[models.Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


def hostile(model: type[models.Model]) -> Iterator[str]:
    """Queries that name a number too large, for each filter that takes one."""
    yield from (f"p={NINES}", f"p=-{NINES}", f"p={2**63}", "o=-" + NINES, f"id__in=1,{NINES}")
    for field in model._meta.get_fields():
        if isinstance(field, models.ForeignKey):
            yield from (
                f"{field.name}={NINES}",
                f"{field.name}=-{NINES}",
                f"{field.name}__in=1,{NINES}",
                f"{field.name}__id__exact={NINES}",
                f"{field.name}__gt={NINES}",
            )
        elif isinstance(field, models.IntegerField):
            yield from (f"{field.name}={NINES}", f"{field.name}__in={NINES}")
        elif isinstance(field, models.DateTimeField):
            yield from (f"{field.name}__year=0", f"{field.name}__year={NINES}")


@pytest.mark.parametrize("model", lists(), ids=lambda model: model._meta.label)
def test_a_number_that_no_column_holds_is_answered(
    model: type[models.Model], site_admin: User
) -> None:
    browser = signed_in(site_admin)
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert browser.get(page).status_code in (200, 302)  # a list of one row leads to it
    for query in hostile(model):
        answer = browser.get(f"{page}?{query}", follow=True)
        assert answer.status_code == 200, query
