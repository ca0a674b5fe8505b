from django.apps import AppConfig


class VectorsConfig(AppConfig):
    """Templates and their index in Milvus."""

    name = "vectors"
