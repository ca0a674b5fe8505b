"""People who sign in. What they may do is their memberships of galleries; keys are `people`'s."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from rest_framework_api_key.models import APIKey as UnusedApiKey
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from audit.services import record
from common.admin import ModelAdmin, NoDeleteMixin

from .actors import actor_of
from .models import User

# Roles are memberships of galleries, and keys are ours.
admin.site.unregister(Group)
admin.site.unregister(UnusedApiKey)


# What the three switches mean here; a site administrator has all of them.
SWITCHES = {
    "is_active": ("Active", "Switch this off instead of deleting somebody."),
    "is_staff": ("May sign in here", "Also needed to use the API's own pages without a key."),
    "is_superuser": (
        "Site administrator",
        "This admin and every gallery are open to them.",
    ),
}


class ChangeForm(UserChangeForm):
    """Somebody always remains who can enter here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, help_text) in SWITCHES.items():
            self.fields[name].label, self.fields[name].help_text = label, help_text

    def clean(self) -> Any:
        """Refuse to shut the last site administrator out."""
        given = super().clean()
        stays = all(self.cleaned_data.get(name) for name in SWITCHES)
        able = User.objects.filter(is_active=True, is_staff=True, is_superuser=True)
        is_last = able.filter(pk=self.instance.pk) and not able.exclude(pk=self.instance.pk)
        if is_last and not stays:
            raise forms.ValidationError(
                "This is the only site administrator. Make another one first."
            )
        return given


@admin.register(User)
class UserAdmin(NoDeleteMixin, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg,misc]
    """People who sign in. They are never deleted, since the audit log names them: deactivate."""

    form = ChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": tuple(SWITCHES),
                "description": "What somebody may do in a gallery is given under Memberships.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        """Write it, and who did."""
        super().save_model(request, obj, form, change)
        action = "user.update" if change else "user.create"
        fields = sorted(form.changed_data) if change else ["username"]
        _record(request, action, obj, fields=fields)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> None:  # type: ignore[override]
        """Django's page for a new password tells nobody else that it set one."""
        if request.path.endswith("/password/"):
            _record(request, "user.password", obj)


def _record(request: HttpRequest, action: str, user: User, **details: Any) -> None:
    record(actor_of(request.user), action, f"user:{user.public_id}", None, **details)
