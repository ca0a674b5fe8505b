"""The Celery application.

The queue is a hint: every task names rows of the database, may run twice, and is sent again by
the sweeper when it is lost. So results are ignored and nothing waits for an answer.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def filesystem_transport(folder: Path) -> dict[str, Any]:
    """Options of kombu's broker of files: one folder for all, messages deleted when taken."""
    messages = folder / "messages"
    control = folder / "control"
    for needed in (messages, control):
        needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "store_processed": False,
        "polling_interval": 0.05,
    }


def create_app() -> Celery:
    """The application, configured from Django's settings."""
    from django.conf import settings  # noqa: PLC0415 - settings must not load at import

    celery = Celery("likeness")
    celery.conf.update(
        broker_url=settings.CELERY_BROKER_URL,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        task_default_queue="photos",
        task_routes={
            "photos.*": {"queue": "photos"},
            "vectors.*": {"queue": "index"},
            "maintenance.*": {"queue": "maintenance"},
        },
        beat_schedule={
            "resend lost work": {"task": "maintenance.sweep", "schedule": 10.0},
            "compare index with database": {"task": "maintenance.reconcile", "schedule": 3600.0},
            "tidy": {"task": "maintenance.tidy", "schedule": 3600.0},
        },
        timezone="UTC",
    )
    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        celery.conf.broker_transport_options = filesystem_transport(settings.BROKER_DIR)
    return celery


app = create_app()
