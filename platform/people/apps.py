from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Galleries, the people in them, and who may do what there."""

    name = "people"
