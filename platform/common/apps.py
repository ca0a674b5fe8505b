from django.apps import AppConfig


class CommonConfig(AppConfig):
    """What every app shares: errors, ids, base models, the seam to the queue."""

    name = "common"
