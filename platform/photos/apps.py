from django.apps import AppConfig


class PhotosConfig(AppConfig):
    """Photos, the faces found on them, and their way from upload to a final state."""

    name = "photos"

    def ready(self) -> None:
        """Lend the photos' templates to whoever measures the index."""
        from vectors.probes import face_sources  # noqa: PLC0415 - models are loaded by now

        from .selectors import draw_faces  # noqa: PLC0415

        face_sources.append(draw_faces)
