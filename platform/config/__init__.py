"""Configuration: settings, addresses, the web's and the queue's applications."""

# So that every process of Django has the Celery application as its current one.
from .celery import app as celery_app

__all__ = ["celery_app"]
