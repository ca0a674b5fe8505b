from django.apps import AppConfig


class EnrolmentConfig(AppConfig):
    """Admitting people: from a photo's faces to a person's template, and back out again."""

    name = "enrolment"
