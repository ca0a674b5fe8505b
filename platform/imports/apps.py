from django.apps import AppConfig


class ImportsConfig(AppConfig):
    """Bulk imports: where photos come from, and how files become people."""

    name = "imports"
