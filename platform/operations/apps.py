from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Running an installation: is each part well, figures of it, backup and restore."""

    name = "operations"
