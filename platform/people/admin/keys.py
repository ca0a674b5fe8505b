"""API keys: made, shown once, revoked."""

import secrets

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.actors import Actor, actor_of
from accounts.models import ApiKey
from common.admin import (
    ModelAdmin,
    NoDeleteMixin,
    Question,
    asked_first,
    button,
    column,
    for_each,
    link,
    list_url,
    problems_told,
)
from people.models import Gallery, Role
from people.services import issue_api_key, revoke_api_key

# In the session: what the form that is open carries. It makes one key, however often it is sent.
ONCE = "api_key_form"


class ApiKeyForm(forms.Form):
    """What a new key is for."""

    gallery = forms.ModelChoiceField(
        Gallery.objects.order_by("name"),
        widget=UnfoldAdminSelectWidget,
        help_text="A key works in one gallery.",
    )
    role = forms.ChoiceField(
        choices=Role.choices, initial=Role.OPERATOR, widget=UnfoldAdminSelectWidget
    )
    name = forms.CharField(
        max_length=50,
        widget=UnfoldAdminTextInputWidget,
        help_text="The machine or program that will use it, such as: gate 3.",
    )
    once = forms.CharField(widget=forms.HiddenInput)


@admin.register(ApiKey)
class ApiKeyAdmin(NoDeleteMixin, ModelAdmin):
    """The keys of machines. A key's secret is shown on the page that follows its making, only."""

    list_display = ("shown_prefix", "name", "gallery", "role", "state", "created", "expiry_date")
    list_display_links = None
    list_filter = ("revoked", "membership__role", "membership__gallery")
    list_select_related = ("membership__gallery",)
    search_fields = ("prefix", "name", "membership__gallery__name")
    ordering = ("-created",)
    fields = ("prefix", "name", "gallery", "role", "state", "created", "expiry_date")
    readonly_fields = fields
    actions = ("revoke_selected",)
    actions_detail = ("revoke",)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ApiKey | None:
        """By its prefix: the primary key, with the hash in it, is long for an address."""
        prefix = object_id.partition(".")[0]
        keys: QuerySet[ApiKey] = self.get_queryset(request)
        return keys.select_related("membership__gallery").filter(prefix=prefix).first()

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No: a key is made and revoked."""
        return False

    @column(description="key", ordering="prefix")
    def shown_prefix(self, key: ApiKey) -> str:
        """Its first letters, as a way to its page."""
        return link(f"{list_url(ApiKey)}{key.prefix}/change/", f"{key.prefix}…")

    @column(description="gallery", ordering="membership__gallery__name")
    def gallery(self, key: ApiKey) -> str:
        """Where it works."""
        return str(key.membership.gallery)

    @column(description="role", ordering="membership__role")
    def role(self, key: ApiKey) -> str:
        """What it may do there."""
        return key.membership.role

    @column(description="state", label={"valid": "success", "revoked": "danger", "expired": ""})
    def state(self, key: ApiKey) -> str:
        """Whether it works."""
        if key.revoked:
            return "revoked"
        expired = key.expiry_date is not None and key.expiry_date < timezone.now()
        return "expired" if expired else "valid"

    # --- Making ---

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: object = None
    ) -> HttpResponseBase:
        """The form; and in answer to it the key, this once, in the page itself and nowhere else."""
        if request.method != "POST":
            request.session[ONCE] = secrets.token_urlsafe(12)
            return self._form_page(request, ApiKeyForm(initial={"once": request.session[ONCE]}))
        form = ApiKeyForm(request.POST)
        if not form.is_valid():
            return self._form_page(request, form)
        if request.session.pop(ONCE, "") != form.cleaned_data["once"]:
            messages.warning(
                request,
                "This form was used already, and a key is shown only once. If you lost it, "
                "revoke it and make another.",
            )
            return HttpResponseRedirect(list_url(ApiKey))
        with problems_told(request):
            return self._key_page(request, form, _issue(request, form))
        return HttpResponseRedirect(request.path)

    def _form_page(self, request: HttpRequest, form: ApiKeyForm) -> TemplateResponse:
        return self._page(request, "likeness/api_key_form.html", "Make an API key", form=form)

    def _key_page(self, request: HttpRequest, form: ApiKeyForm, secret: str) -> TemplateResponse:
        return self._page(
            request,
            "likeness/api_key_shown.html",
            "Your new API key",
            secret=secret,
            name=form.cleaned_data["name"],
            gallery=form.cleaned_data["gallery"],
            role=form.cleaned_data["role"],
            address=settings.PUBLIC_URL,
            list_url=list_url(ApiKey),
        )

    def _page(
        self, request: HttpRequest, template: str, title: str, **context: object
    ) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, template, {**shared, **context})

    # --- Revoking ---

    @admin.action(description="Revoke the selected keys")
    def revoke_selected(
        self, request: HttpRequest, queryset: QuerySet[ApiKey]
    ) -> HttpResponseBase | None:
        """Several."""
        keys = list(queryset.select_related("membership__gallery"))
        actor = actor_of(request.user)
        return asked_first(
            request,
            self,
            _revoke_question([f"{key.prefix}… {key.name}" for key in keys]),
            lambda: for_each(
                request, keys, lambda key: _revoke(actor, key), "Revoked: {} of the keys."
            ),
            back=request.get_full_path(),
        )

    @button(description="Revoke", icon="block", url_path="revoke")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """One."""
        key = self.get_object(request, object_id)
        if key is None:
            return HttpResponseRedirect(list_url(ApiKey))
        return asked_first(
            request,
            self,
            _revoke_question([f"{key.prefix}… {key.name}"]),
            lambda: _revoke(actor_of(request.user), key),
            back=f"{list_url(ApiKey)}{key.prefix}/change/",
            done="The key is useless from now on.",
        )


def _issue(request: HttpRequest, form: ApiKeyForm) -> str:
    given = form.cleaned_data
    actor = actor_of(request.user)
    return issue_api_key(actor, given["gallery"], Role(given["role"]), given["name"])


def _revoke(actor: Actor, key: ApiKey) -> None:
    revoke_api_key(actor, key.membership.gallery, key.prefix)


def _revoke_question(names: list[str]) -> Question:
    return Question(
        title="Revoke API keys?",
        sentence="Whoever uses them is refused from then on. This can't be undone.",
        button="Yes, revoke",
        items=names,
    )
