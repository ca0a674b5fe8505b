from django.apps import AppConfig


class PhotosConfig(AppConfig):
    """Photos, the faces found on them, and their way from upload to a final state."""

    name = "photos"
