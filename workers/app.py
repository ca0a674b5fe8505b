"""The Celery application with its tasks: `celery -A workers.app worker`."""

from config.celery import app

app.conf.include = [
    "workers.heartbeat",
    "workers.photos",
    "workers.vectors",
    "workers.admitting",
    "workers.imports",
    "workers.maintenance",
]

__all__ = ["app"]
