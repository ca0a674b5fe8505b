"""Photos: what became of them, with the faces found; and processing them again.

`enrolment.admin` registers the page and adds what touches the person.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.actors import actor_of
from common.admin import (
    LongTableMixin,
    ReadOnlyAdmin,
    as_uuid,
    change_url,
    column,
    for_each,
    label,
    link,
    problems_told,
)
from common.errors import NotFound, Problem
from people.models import Role, SeveralFaces

from .api import jpeg_response
from .models import Face, Photo, PhotoState
from .renditions import LARGE_FACE_WIDTH, THUMBNAIL_SIDE, face_thumbnail, photo_jpeg
from .selectors import photo_for, visible_faces, visible_photos
from .services import process_again

STATE_VARIANTS = {
    PhotoState.RECEIVED: "info",
    PhotoState.PROCESSING: "info",
    PhotoState.ENROLLED: "success",
    PhotoState.REJECTED: "danger",
    PhotoState.REVIEW: "warning",
    PhotoState.QUARANTINED: "danger",
}
REPEATABLE = (PhotoState.REJECTED, PhotoState.QUARANTINED)
CODES = (
    "no_face", "several_faces", "no_face_in_box", "face_too_small", "profile", "blurred",
    "too_dark", "too_bright", "low_contrast", "poor_quality", "no_person", "undecodable",
    "quarantined",
)  # fmt: skip


def state_words(state: str) -> tuple[str, str]:
    """A state's name, and what it means."""
    name, _, meaning = PhotoState(state).label.partition(": ")
    return name, meaning


def meaning_of(photo: Photo, faces: Sequence[Face]) -> str:
    """What its state means for it; `faces` are those shown of it."""
    if photo.state != PhotoState.ENROLLED or faces:
        return state_words(photo.state)[1]
    model = photo.gallery.model
    if photo.missing_faces.filter(model=model).exclude(code="").exists():
        return f"not part of the template: {model} did not find its face"
    return f"waits for a worker, to be embedded by {model}"


def state_label(photo: Photo) -> SafeString:
    """The state in its colour."""
    name, meaning = state_words(photo.state)
    return label(name, STATE_VARIANTS[PhotoState(photo.state)], meaning)


class CodeFilter(admin.SimpleListFilter):
    """Why photos were refused. To find the codes in the table would read all of it."""

    title = "code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The codes there are."""
        return [(code, code) for code in CODES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        """Photos with this one."""
        return queryset.filter(code=self.value()) if self.value() else queryset


class PhotoAdmin(LongTableMixin, ReadOnlyAdmin):
    """Photos and what became of them."""

    list_display = ("thumbnail", "shown_state", "code", "person_link", "gallery", "created_at")
    list_display_links = ("thumbnail",)
    list_filter = ("state", CodeFilter, "gallery")
    list_select_related = ("person", "gallery")
    search_fields = ("person__name", "person__external_id")
    search_help_text = "A person's name or external id; the id of a photo or a person"
    ordering = ("-id",)
    actions: Any = ("process_selected",)
    change_form_template = "admin/photos/photo/change_form.html"
    fieldsets = (
        (None, {"fields": ("person_link", "gallery", "created_at", "processed_at", "figures")}),
        ("For programs", {"fields": ("public_id", "choice", "attempts", "source")}),
    )  # fmt: skip
    readonly_fields = ("person_link", "figures", "choice")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Photo], search_term: str
    ) -> tuple[QuerySet[Photo], bool]:
        """By words; an id may be the photo's or the person's."""
        if public_id := as_uuid(search_term):
            either = Q(public_id=public_id) | Q(person__public_id=public_id)
            return queryset.filter(either), False
        return super().get_search_results(request, queryset, search_term)

    # --- Columns ---

    @column(description="photo")
    def thumbnail(self, photo: Photo) -> SafeString:
        """In small."""
        url = reverse("admin:photos_photo_thumbnail", args=[photo.pk])
        return format_html('<img class="lk-thumb" loading="lazy" src="{}" alt="Photo">', url)

    @column(description="state", ordering="state")
    def shown_state(self, photo: Photo) -> SafeString:
        """In its colour."""
        return state_label(photo)

    @column(description="person", ordering="person__name")
    def person_link(self, photo: Photo) -> str:
        """Whose it is."""
        return link(change_url(photo.person), photo.person) if photo.person else "-"

    @column(description="file")
    def figures(self, photo: Photo) -> str:
        """What was sent."""
        original = photo.original
        animated = ", an animation: its first frame counts" if original.frames > 1 else ""
        size = f"{original.width} x {original.height} pixels, {original.bytes / 1024:,.0f} KB"
        return f"{original.media_type}, {size}{animated}"

    @column(description="face meant")
    def choice(self, photo: Photo) -> str:
        """What was said about the photo's faces."""
        if photo.face_box:
            return ", ".join(f"{name} {value:g}" for name, value in photo.face_box.items())
        return photo.several_faces or "as the gallery says"

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        """Pictures, and processing again."""
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/thumbnail.jpg", wrap(self.thumbnail_view, cacheable=True),
                 name="photos_photo_thumbnail"),
            path("<int:pk>/picture.jpg", wrap(self.picture_view, cacheable=True),
                 name="photos_photo_picture"),
            path("face/<int:pk>.jpg", wrap(self.face_view, cacheable=True),
                 name="photos_face_thumbnail"),
            path("face/<int:pk>/large.jpg", wrap(self.large_face_view, cacheable=True),
                 name="photos_face_large"),
            path("<int:pk>/state/", wrap(self.state_view), name="photos_photo_state"),
            path("<int:pk>/process/", wrap(self.process_view), name="photos_photo_process"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def thumbnail_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The photo in small."""
        return _picture(lambda: photo_jpeg(photo_by_number(request, pk), THUMBNAIL_SIDE))

    def picture_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The photo as large as a screen."""
        return _picture(lambda: photo_jpeg(photo_by_number(request, pk)))

    def face_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A face."""
        return _picture(lambda: face_thumbnail(_face(request, pk)))

    def large_face_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A face, large enough to compare it with others."""
        return _picture(lambda: face_thumbnail(_face(request, pk), LARGE_FACE_WIDTH))

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that refreshes itself."""
        try:
            photo = photo_by_number(request, pk)
        except NotFound as problem:
            return HttpResponseNotFound(problem.detail)
        return TemplateResponse(request, "likeness/photo.html", page_of(photo))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The picture, its faces, and what can be done."""
        photo = self.get_object(request, object_id) if object_id else None
        shown = page_of(photo) if photo else {}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Photo]:
        """Those that the caller may see."""
        return visible_photos(actor_of(request.user)).prefetch_related(None)

    # --- Acts ---

    def process_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Process one again, perhaps with a choice among its faces."""
        with problems_told(request):
            photo = photo_by_number(request, pk)
            if request.method == "POST":
                process_again(actor_of(request.user), photo, **_choices(request, photo))
                messages.success(request, "The photo is being processed again.")
        return HttpResponseRedirect(back_of(request, "admin:photos_photo_change", pk))

    @admin.action(description="Process the selected photos again")
    def process_selected(self, request: HttpRequest, queryset: QuerySet[Photo]) -> None:
        """Those that were rejected or quarantined."""
        actor = actor_of(request.user)
        photos = queryset.select_related("gallery")
        for_each(
            request,
            photos,
            lambda photo: process_again(actor, photo),
            "Being processed again: {} of the photos.",
        )


def photo_by_number(request: HttpRequest, pk: int) -> Photo:
    """A photo that the caller may see. Raises NotFound."""
    actor = actor_of(request.user)
    photo = visible_photos(actor).filter(pk=pk).first()
    if photo is None:
        raise NotFound("photo")
    return photo_for(actor, photo.public_id, Role.VIEWER)


def back_of(request: HttpRequest, name: str, *args: object) -> str:
    """Where a button's page is: the person's, if the button stood there, else the one named."""
    person = request.GET.get("person", "")
    if person.isdecimal():
        return reverse("admin:people_person_change", args=[person])
    return reverse(name, args=args)


def page_of(photo: Photo) -> dict[str, Any]:
    """What a photo's page shows beside the fields."""
    faces = list(photo.faces.shown().defer("vector"))
    return {
        "photo": photo,
        "faces": faces,
        "state_name": state_words(photo.state)[0],
        "state_meaning": meaning_of(photo, faces),
        "state_variant": STATE_VARIANTS[PhotoState(photo.state)],
        "repeatable": photo.state in REPEATABLE,
        "number_size": round(max(photo.original.width, photo.original.height) / 32),
        "under_way": photo.state in (PhotoState.RECEIVED, PhotoState.PROCESSING),
        "policies": [(value, text) for value, text in SeveralFaces.choices if value != "reject"],
    }


def _choices(request: HttpRequest, photo: Photo) -> dict[str, Any]:
    """What the form says about which face is meant."""
    choice = request.POST.get("choice")
    if choice is None:
        return {}
    if choice in SeveralFaces.values or not choice:
        return {"several_faces": choice, "face_box": None}
    number = choice.removeprefix("face:")
    face = photo.faces.shown().filter(pk=int(number)).first() if number.isdecimal() else None
    if face is None:
        raise NotFound("face")
    box = {"x": face.x, "y": face.y, "width": face.width, "height": face.height}
    return {"several_faces": "", "face_box": box}


def _face(request: HttpRequest, pk: int) -> Face:
    face = visible_faces(actor_of(request.user)).filter(pk=pk).first()
    if face is None:
        raise NotFound("face")
    return face


def _picture(render: Any) -> HttpResponse:
    try:
        return jpeg_response(render())
    except Problem as problem:
        return HttpResponseNotFound(problem.detail, content_type="text/plain; charset=utf-8")
