"""The admin's site: who may enter it at all."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class AdminSite(UnfoldAdminSite):
    """The admin. It is for site administrators; members use the API and the portal.

    Its pages show all galleries. So the door decides, once, and no page can forget to ask.
    """

    index_template = "likeness/dashboard.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the caller is a site administrator."""
        return bool(request.user.is_active and request.user.is_superuser)


class AdminConfig(DjangoAdminConfig):
    """Django's admin with the site above."""

    default_site = "common.admin_site.AdminSite"
