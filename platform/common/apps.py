from django.apps import AppConfig


class CommonConfig(AppConfig):
    """What every app shares: errors, ids, base models, the seam to the queue."""

    name = "common"

    def ready(self) -> None:
        """Let tasks know the request that caused them."""
        from . import tracing  # noqa: PLC0415 - it wants settings

        tracing.connect()
