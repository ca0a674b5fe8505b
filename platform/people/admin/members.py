"""The roles of users in galleries. Those of API keys are part of the keys."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.actors import actor_of
from common.admin import ModelAdmin, adopt
from people.models import Gallery, Membership, Role
from people.services import grant_role, revoke_role


def grant(request: HttpRequest, member: Membership, gallery: Gallery) -> None:
    """Write a membership that a form has made."""
    if member.user is not None:
        actor = actor_of(request.user)
        adopt(member, grant_role(actor, gallery, member.user, Role(member.role)))


def revoke(request: HttpRequest, member: Membership) -> None:
    """Remove a membership."""
    if member.user is not None:
        revoke_role(actor_of(request.user), member.gallery, member.user)


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    """Who may do what where."""

    list_display = ("user", "gallery", "role")
    list_display_links = ("user",)
    list_filter = ("role", "gallery")
    list_select_related = ("user", "gallery")
    search_fields = ("user__username", "user__email", "gallery__name", "gallery__slug")
    autocomplete_fields = ("gallery", "user")
    fields = ("gallery", "user", "role")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Those of users."""
        members: QuerySet[Membership] = super().get_queryset(request)
        return members.filter(user__isnull=False)

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        """Once made, only the role can change."""
        return ("gallery", "user") if obj else ()

    def get_form(self, request: HttpRequest, obj: object = None, **kwargs: Any) -> Any:
        """A membership here is a user's."""
        form = super().get_form(request, obj, **kwargs)
        if "user" in form.base_fields:
            form.base_fields["user"].required = True
        return form

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: object) -> None:
        """Give the role."""
        grant(request, obj, obj.gallery)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Take the role away."""
        revoke(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """Take several away."""
        for member in queryset.select_related("gallery", "user"):
            revoke(request, member)


class MembershipInline(TabularInline):
    """A gallery's members, on its page."""

    model = Membership
    verbose_name = "member"
    verbose_name_plural = "members"
    fields = ("user", "role")
    autocomplete_fields = ("user",)
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Those of users."""
        members: QuerySet[Membership] = super().get_queryset(request)
        return members.filter(user__isnull=False).select_related("user")

    def get_formset(self, request: HttpRequest, obj: object = None, **kwargs: Any) -> Any:
        """A membership here is a user's."""
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.base_fields["user"].required = True
        return formset
