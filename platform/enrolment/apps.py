from django.apps import AppConfig


class EnrolmentConfig(AppConfig):
    """Admitting people: from a photo's faces to a person's template, and back out again."""

    name = "enrolment"

    def ready(self) -> None:
        """Have a say in which index is searched."""
        from vectors import takeover  # noqa: PLC0415 - models are ready only now

        from .following import losses, prepared  # noqa: PLC0415

        takeover.preparations.append(prepared)
        takeover.conditions.append(losses)
