from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The page that operators work in: a single-page application, built from `frontend/`."""

    name = "portal"
