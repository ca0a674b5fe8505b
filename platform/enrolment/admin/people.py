"""People: added with their photos, watched until they are searchable, deactivated, erased."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt

from accounts.actors import Actor, actor_of
from common.admin import (
    LongTableMixin,
    NoDeleteMixin,
    Question,
    adopt,
    asked_first,
    button,
    change_url,
    column,
    for_each,
    list_url,
    problems_told,
)
from common.problems import as_problem
from common.uploads import SparingUploadHandler
from enrolment.services import change_person, erase, set_active
from people.models import Gallery, Held, Person
from people.services import create_person
from photos.intake import examine
from photos.models import Photo, PhotoState
from photos.services import receive
from vectors.models import PersonTemplate

from .cards import HELD, cards_of, face_image, standing_label, states, with_faces
from .forms import PersonForm
from .who_is_whom import WhoIsWhomAdmin, who_is_whom

FIELDS = ("gallery", "name", "external_id", "notes", "metadata")


class PhotosFilter(admin.SimpleListFilter):
    """People by what became of their photos."""

    title = "photos"
    parameter_name = "photos"
    wanted = {
        "waiting": (PhotoState.RECEIVED, PhotoState.PROCESSING),
        "rejected": (PhotoState.REJECTED,),
        "quarantined": (PhotoState.QUARANTINED,),
    }

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """What can be asked."""
        return [(name, f"some {name}") for name in self.wanted] + [("none", "none enrolled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        """Those people."""
        if self.value() == "none":
            templates = PersonTemplate.objects.filter(
                person=OuterRef("pk"), model=OuterRef("gallery__model")
            )
            return queryset.exclude(Exists(templates))
        if (which := self.wanted.get(self.value() or "")) is None:
            return queryset
        photos = Photo.objects.filter(state__in=which, person__isnull=False)
        return queryset.filter(pk__in=photos.values("person"))


class HeldFilter(admin.SimpleListFilter):
    """People by what keeps them out of searches."""

    title = "held back"
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Why, or for whatever reason; who was merged is somebody else, and waits for nothing."""
        return [("any", "any of these"), *((why.value, HELD[why].text) for why in Held)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        """Those people."""
        if self.value() == "any":
            return queryset.filter(held__in=set(Held) - {Held.MERGED})
        return queryset.filter(held=self.value()) if self.value() else queryset


@admin.register(Person)
class PersonAdmin(LongTableMixin, NoDeleteMixin, WhoIsWhomAdmin):
    """People: who can be found."""

    form = PersonForm
    list_display = (
        "face", "__str__", "external_id", "gallery", "photo_states", "searchable", "created_at",
    )  # fmt: skip
    list_display_links = ("face", "__str__")
    list_filter = ("gallery", "active", HeldFilter, PhotosFilter)
    search_fields = ("name", "external_id")
    search_help_text = "Name, external id, or id"
    ordering = ("-id",)
    autocomplete_fields = ("gallery",)
    actions = ("activate_selected", "deactivate_selected", "erase_selected")
    actions_detail = ("deactivate", "activate", "erase")
    change_form_template = "admin/people/person/change_form.html"
    add_fieldsets = (
        (None, {"fields": ("gallery", "name", "external_id", "photos", "several_faces")}),
        ("More", {"fields": ("notes", "metadata")}),
    )
    fieldsets = (
        ("Add photos", {"fields": ("photos", "several_faces")}),
        ("Details", {"fields": (*FIELDS, "public_id", "created_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        """With what the pages show of them."""
        return with_faces(super().get_queryset(request))

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        """People don't move between galleries."""
        return ("gallery", "public_id", "created_at") if obj else ()

    # --- Columns ---

    @column(description="face")
    def face(self, person: Person) -> SafeString:
        """In small."""
        return face_image(person)

    @column(description="photos")
    def photo_states(self, person: Person) -> SafeString:
        """How many in which state."""
        return states(person)

    @column(description="in searches", ordering="active")
    def searchable(self, person: Person) -> SafeString:
        """Whether they are found."""
        return standing_label(person)

    # --- Adding and changing ---

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Where there is only one gallery nobody needs to choose it."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        only = list(Gallery.objects.values_list("pk", flat=True)[:2])
        return {"gallery": only[0], **given} if len(only) == 1 else given

    # Exempt, since the upload handler must be in place before anything reads the form, and the
    # check of the token reads it. Django makes that check in its `changeform_view`.
    @method_decorator(csrf_exempt)
    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Somebody new, with their photos."""
        return with_uploads(
            request, lambda: super(PersonAdmin, self).add_view(request, *args, **kwargs)
        )

    @method_decorator(csrf_exempt)
    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Somebody who is there, perhaps with more photos."""
        return with_uploads(
            request, lambda: super(PersonAdmin, self).change_view(request, *args, **kwargs)
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form; over it the photos of somebody who is there."""
        person = self.get_object(request, object_id) if object_id else None
        shown = {**cards_of(person), **who_is_whom(person)} if person else {}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: Any) -> None:
        """Make them, or change what the form changed."""
        actor = actor_of(request.user)
        given = form.cleaned_data
        changes = {name: given[name] for name in form.changed_data if name in FIELDS}
        if not change:
            adopt(obj, create_person(actor, **{name: given[name] for name in FIELDS}))
        elif changes:
            change_person(actor, obj, **changes)
        # Decoding takes a while, and nobody else can write until this transaction ends.
        transaction.on_commit(
            lambda: take_photos(request, obj, given["photos"], several_faces=given["several_faces"])
        )

    def response_add(self, request: HttpRequest, obj: Person, *args: Any) -> HttpResponse:
        """Go to their page, where the photos can be watched."""
        messages.success(request, f"{obj} is added.")
        again = "_addanother" in request.POST
        return HttpResponseRedirect(request.get_full_path() if again else change_url(obj))

    def response_change(self, request: HttpRequest, obj: Person) -> HttpResponse:
        """Stay, if photos were sent: they are to be watched."""
        if request.FILES:
            return HttpResponseRedirect(change_url(obj))
        if request.POST.get("_continue") == "upload":
            messages.warning(request, "Choose at least one photo.")
            return HttpResponseRedirect(change_url(obj))
        answer: HttpResponse = super().response_change(request, obj)
        return answer

    # --- Photos ---

    def get_urls(self) -> list[URLPattern]:
        """The part of the page that refreshes itself."""
        cards = self.admin_site.admin_view(self.cards_view)
        own = path("<int:pk>/cards/", cards, name="people_person_cards")
        return [own, *super().get_urls()]

    def cards_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The photos of somebody and their states, as they are now."""
        person = self.get_object(request, str(pk))
        if person is None:
            return HttpResponseNotFound("They are gone.")
        return TemplateResponse(request, "likeness/person_photos.html", cards_of(person))

    # --- Acts ---

    @button(description="Deactivate", icon="person_off", url_path="deactivate")
    def deactivate(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Out of searches."""
        question = Question(
            "Deactivate {}?",
            "Searches don't find them any more. Photos and template stay, and they can be "
            "activated again.",
            "Yes, deactivate",
            dangerous=False,
        )
        return self._one(
            request, object_id, question, _set_active(active=False), done="{} is inactive."
        )

    @button(description="Activate", icon="how_to_reg", url_path="activate")
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Into searches again."""
        question = Question(
            "Activate {}?", "Searches find them again.", "Yes, activate", dangerous=False
        )
        return self._one(
            request, object_id, question, _set_active(active=True), done="{} is active."
        )

    @button(description="Erase", icon="delete_forever", url_path="erase")
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """For good."""
        question = _erase_question(["{}"])
        return self._one(
            request, object_id, question, erase, done="They are erased.", then=list_url(Person)
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Of activating and deactivating, the one that would change something."""
        person = self.get_object(request, str(object_id))
        idle = "activate" if person is not None and person.active else "deactivate"
        offered: list[Any] = super().get_actions_detail(request, object_id)
        return [each for each in offered if each.path != idle]

    def _one(
        self,
        request: HttpRequest,
        object_id: str,
        question: Question,
        act: Callable[[Actor, Person], object],
        *,
        done: str,
        then: str | None = None,
    ) -> HttpResponseBase:
        person = self.get_object(request, object_id)
        if person is None:
            messages.error(request, "They are gone.")
            return HttpResponseRedirect(list_url(Person))
        return asked_first(
            request,
            self,
            question.about(str(person)),
            lambda: act(actor_of(request.user), person),
            back=change_url(person),
            done=done.format(person),
            then=then,
        )

    @admin.action(description="Deactivate the selected people")
    def deactivate_selected(self, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        """Out of searches."""
        _each(request, queryset, _set_active(active=False), "Inactive now: {} of the people.")

    @admin.action(description="Activate the selected people")
    def activate_selected(self, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        """Into searches again."""
        _each(request, queryset, _set_active(active=True), "Active now: {} of the people.")

    @admin.action(description="Erase the selected people")
    def erase_selected(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponseBase:
        """Ask, then erase them for good."""
        return asked_first(
            request,
            self,
            _erase_question([str(person) for person in queryset]),
            lambda: _each(request, queryset, erase, "Erased: {} people."),
            back=request.get_full_path(),
        )


def with_uploads(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    """Let a view take many files; a form that is too large altogether is told on the page."""
    request.upload_handlers = [SparingUploadHandler(request)]
    try:
        return view()
    except SuspiciousOperation as error:
        if (problem := as_problem(error)) is None:
            raise
        messages.error(request, problem.detail)
        return HttpResponseRedirect(request.path)


def take_photos(
    request: HttpRequest, person: Person, uploads: list[UploadedFile], **fields: Any
) -> None:
    """Receive the files; says of each bad one what is wrong, and keeps the others."""
    actor = actor_of(request.user)
    accepted = known = 0
    for upload in uploads:
        with problems_told(request, upload.name or "A file"):
            intake = examine(upload.read())
            _, is_new = receive(actor, person.gallery, person, intake, **fields)
            accepted, known = accepted + is_new, known + (not is_new)
    if accepted:
        messages.success(request, f"{_photos(accepted)} received.")
    if known:
        messages.info(request, f"{_photos(known)} there already: same bytes, same person.")


def _photos(number: int) -> str:
    return "1 photo" if number == 1 else f"{number} photos"


def _set_active(*, active: bool) -> Callable[[Actor, Person], object]:
    return lambda actor, person: set_active(actor, person, active=active)


def _each(
    request: HttpRequest,
    people: QuerySet[Person],
    act: Callable[[Actor, Person], object],
    done: str,
) -> None:
    actor = actor_of(request.user)
    rows = list(people.select_related("gallery").prefetch_related(None))
    for_each(request, rows, lambda person: act(actor, person), done)


def _erase_question(names: list[str]) -> Question:
    return Question(
        title="Erase for good?",
        sentence="Photos, faces, templates and index entries are deleted at once. This can't be "
        "undone. The ledger keeps ids and counts only.",
        button="Yes, erase for good",
        items=names,
    )
