from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Who did what, kept for good."""

    name = "audit"
