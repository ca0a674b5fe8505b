"""Celery's settings.

The queue is a hint: every task names rows of the database, may run twice, and is sent again by
the sweeper when it is lost. So results are ignored and nothing waits for an answer.
"""

from pathlib import Path
from typing import Any

from celery.schedules import crontab
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from common.queue import MEASURE_RECALL


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


TRANSPORT_ALIASES["filesystem"] = "common.broker:Transport"

broker_url = settings.CELERY_BROKER_URL
# A web request that finds the broker away must not wait for it: the rows are the work. (Workers
# go on trying by broker_connection_max_retries.)
broker_transport_options: dict[str, Any] = (
    filesystem_transport(settings.BROKER_DIR)
    if broker_url.startswith("filesystem")
    else {"max_retries": 1, "interval_start": 0}
)
broker_connection_timeout = 3
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

accept_content = ["json"]
task_serializer = "json"
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_redirect_stdouts = False

task_default_queue = "photos"
task_routes = {
    "photos.*": {"queue": "photos"},
    "vectors.*": {"queue": "index"},
    "enrolment.admit": {"queue": "index"},
    "imports.*": {"queue": "imports"},
    # Prompt, unlike the rest of what runs by the clock.
    "maintenance.sweep": {"queue": "index"},
    "maintenance.*": {"queue": "maintenance"},
}

timezone = "UTC"
beat_schedule: dict[str, dict[str, Any]] = {
    "send lost work again": {"task": "maintenance.sweep", "schedule": 5.0},
    "compare the index with the database": {"task": "maintenance.reconcile", "schedule": 3600.0},
    # 19 microseconds a search of the day: of a million, 19 s of the maintenance worker.
    "count searches": {"task": "maintenance.roll_up", "schedule": 300.0},
    "tidy": {"task": "maintenance.tidy", "schedule": 3600.0},
    "measure recall": {
        "task": MEASURE_RECALL,
        "schedule": crontab(hour="2", minute="30"),
    },
    "let indexes grow": {
        "task": "maintenance.grow",
        "schedule": crontab(hour="1", minute="30"),
    },
}
_NIGHT = 4 * 3600.0
# A tick that waited while the worker was away is no longer worth running.
for _entry in beat_schedule.values():
    _every = _entry["schedule"]
    _entry["options"] = {"expires": _every if isinstance(_every, float) else _NIGHT}
