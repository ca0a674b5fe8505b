"""The audit log, to read."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.filters import DateFieldListFilter
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from common.admin import LongTableMixin, ReadOnlyAdmin, as_uuid, column, link

from .models import AuditEntry

KINDS = (
    "api_key", "gallery", "identity", "import", "index", "membership", "person", "photo", "review",
    "thresholds", "user",
)  # fmt: skip

# Where targets can be looked up.
PAGES = {
    "gallery": "people_gallery",
    "import": "imports_importjob",
    "person": "people_person",
    "photo": "photos_photo",
    "review": "reviews_review",
}


class KindFilter(admin.SimpleListFilter):
    """What the act was done to. A list of all actions would have to be read from the whole log."""

    title = "kind of action"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The first words of actions."""
        return [(kind, kind.replace("_", " ")) for kind in KINDS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        """Entries of this kind."""
        kind = self.value()
        return queryset.filter(action__startswith=f"{kind}.") if kind in KINDS else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(LongTableMixin, ReadOnlyAdmin):
    """The log. Entries hold ids, no names; those of users are looked up to be shown."""

    list_display = ("at", "shown_actor", "action", "shown_target", "shown_details")
    # Not `date_hierarchy`: to find the years it reads the whole log.
    list_filter = (KindFilter, ("at", DateFieldListFilter))
    search_fields = ("actor", "action", "target")
    ordering = ("-id",)
    fields = ("at", "actor", "action", "shown_target", "gallery", "shown_details")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page, with the users' names on its rows."""
        page = super().get_changelist_instance(request)
        names = usernames(entry.actor for entry in page.result_list)
        for entry in page.result_list:
            entry.username = names.get(entry.actor)
        return page

    @column(description="actor", ordering="actor")
    def shown_actor(self, entry: AuditEntry) -> str:
        """The user's name; of others what the log says."""
        return getattr(entry, "username", None) or entry.actor

    @column(description="target", ordering="target")
    def shown_target(self, entry: AuditEntry) -> str:
        """The id, as a way to what has it."""
        kind, _, public_id = entry.target.partition(":")
        if kind not in PAGES:
            return entry.target
        return link(f"{reverse(f'admin:{PAGES[kind]}_changelist')}?q={public_id}", entry.target)

    @column(description="details")
    def shown_details(self, entry: AuditEntry) -> str:
        """Figures and ids."""
        return json.dumps(entry.details) if entry.details else ""


def usernames(actors: Iterable[str]) -> dict[str, str]:
    """The names of those actors who are users, in one query."""
    ids = {as_uuid(actor.removeprefix("user:")) for actor in actors}
    users = get_user_model()._default_manager.filter(public_id__in=ids - {None})
    return {
        f"user:{public_id}": name for public_id, name in users.values_list("public_id", "username")
    }
