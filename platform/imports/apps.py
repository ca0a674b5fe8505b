from django.apps import AppConfig


class ImportsConfig(AppConfig):
    """Bulk imports: where photos come from, how files become people, jobs."""

    name = "imports"

    def ready(self) -> None:
        """Whoever is erased is not named by an import, either."""
        from enrolment.services import also_erase  # noqa: PLC0415 - once models are there

        from .erasing import forget_person  # noqa: PLC0415

        also_erase.append(forget_person)
