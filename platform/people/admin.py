from django.contrib import admin

from common.admin import ReadOnlyAdmin

from .models import Gallery, Membership, Person


@admin.register(Gallery)
class GalleryAdmin(ReadOnlyAdmin):
    """Galleries and their settings."""

    list_display = ("name", "slug", "model", "min_face", "several_faces", "created_at")
    search_fields = ("name", "slug")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who may do what where."""

    list_display = ("gallery", "user", "api_key", "role")
    list_filter = ("role", "gallery")


@admin.register(Person)
class PersonAdmin(ReadOnlyAdmin):
    """People."""

    list_display = ("__str__", "external_id", "gallery", "active", "created_at")
    list_filter = ("gallery", "active")
    search_fields = ("name", "external_id", "public_id")
