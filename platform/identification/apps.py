from django.apps import AppConfig


class IdentificationConfig(AppConfig):
    """Looking up a face among many (1:N), comparing two (1:1), finding faces."""

    name = "identification"
