from django.apps import AppConfig


class ThresholdsConfig(AppConfig):
    """From scores to decisions: calibrations of models, and what each gallery asks of a match."""

    name = "thresholds"
