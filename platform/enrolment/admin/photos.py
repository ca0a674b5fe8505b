"""Photos of people: the page of `photos.admin`, and deleting, which changes the person."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from accounts.actors import actor_of
from common.admin import (
    Question,
    asked_first,
    button,
    change_url,
    for_each,
    list_url,
    problems_told,
)
from enrolment.services import delete_photo
from photos.admin import PhotoAdmin, back_of, photo_by_number
from photos.models import Photo


@admin.register(Photo)
class PersonPhotoAdmin(PhotoAdmin):
    """Photos and what became of them."""

    actions: Any = ("process_selected", "delete_selected_photos")
    actions_detail = ("delete_photo",)

    @button(description="Delete photo", icon="delete", url_path="delete-photo")
    def delete_photo(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then delete one."""
        with problems_told(request):
            number = int(object_id) if object_id.isdecimal() else 0
            photo = photo_by_number(request, number)
            after = change_url(photo.person) if photo.person else list_url(Photo)
            return asked_first(
                request,
                self,
                _question(1),
                lambda: delete_photo(actor_of(request.user), photo),
                back=back_of(request, "admin:photos_photo_change", photo.pk),
                done="The photo is deleted.",
                then=after,
            )
        return HttpResponseRedirect(list_url(Photo))

    @admin.action(description="Delete the selected photos")
    def delete_selected_photos(
        self, request: HttpRequest, queryset: QuerySet[Photo]
    ) -> HttpResponseBase:
        """Ask, then delete several."""
        actor = actor_of(request.user)
        photos = list(queryset.select_related("gallery"))
        return asked_first(
            request,
            self,
            _question(len(photos)),
            lambda: for_each(
                request, photos, lambda photo: delete_photo(actor, photo), "Deleted: {} photos."
            ),
            back=request.get_full_path(),
        )


def _question(number: int) -> Question:
    return Question(
        title="Delete this photo?" if number == 1 else f"Delete {number} photos?",
        sentence="Its file goes, and the person's template is made anew without it. This can't be "
        "undone.",
        button="Yes, delete",
    )
