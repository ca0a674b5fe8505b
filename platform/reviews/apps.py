from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    """What the machine can't decide alone: one queue of questions to people."""

    name = "reviews"
