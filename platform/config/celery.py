"""The Celery application; `config.celeryconfig` holds its settings, read at first use."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("likeness")
app.config_from_object("config.celeryconfig")
