"""A sign of life every ten seconds, from a thread beside the worker's tasks.

The workers answer no HTTP, and one with the solo pool answers its broker only between tasks. So
each signs a row of the database, which `/readyz`, `manage.py doctor`, the metrics and the admin
read. The thread never ends the worker: a database that is away is said once and waited for.
"""

import logging
from threading import Event, Thread
from typing import Any

from celery.signals import task_postrun, task_prerun, worker_ready, worker_shutdown
from django.db import DatabaseError, connections
from django.utils import timezone

from operations.models import BEAT_SECONDS
from operations.services import Sign, sign, sign_off

logger = logging.getLogger(__name__)


class Heartbeat:
    """Signs for one worker until it is stopped."""

    def __init__(self, worker: Sign, every: float = BEAT_SECONDS) -> None:
        self.worker = worker
        self._every = every
        self._stopped = Event()
        self._is_silent = False
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the first sign is given at once."""
        self._thread.start()

    def stop(self) -> None:
        """Give no further sign and take back the last one."""
        self._stopped.set()
        self._thread.join(self._every)
        connections.close_all()  # the server may have been restarted since
        try:
            sign_off(self.worker.name)
        except DatabaseError as error:
            logger.warning("this worker's row stays for a day: %s", error)
        finally:
            connections.close_all()

    def _run(self) -> None:
        while True:
            self._sign()
            if self._stopped.wait(self._every):
                return

    def _sign(self) -> None:
        """Sign once. Whatever goes wrong, the worker's own work goes on."""
        try:
            sign(self.worker)
        except Exception as error:  # noqa: BLE001 - a thread that ends is a worker that seems dead
            if not self._is_silent:
                logger.warning("no sign of life until the database answers: %s", error)
            self._is_silent = True
        else:
            self._is_silent = False
        finally:
            connections.close_all()


_heartbeats: list[Heartbeat] = []


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    """Start the thread once the worker takes tasks."""
    queues = ",".join(sorted(sender.app.amqp.queues.consume_from))
    heartbeat = Heartbeat(Sign(sender.hostname, queues))
    _heartbeats.append(heartbeat)
    heartbeat.start()


@worker_shutdown.connect
def end(**_: Any) -> None:
    """Stop it with the worker."""
    while _heartbeats:
        _heartbeats.pop().stop()


@task_prerun.connect
def note_task(task: Any, **_: Any) -> None:
    """Let the next sign say what the worker is busy with."""
    for heartbeat in _heartbeats:
        heartbeat.worker.task, heartbeat.worker.task_since = task.name, timezone.now()


@task_postrun.connect
def forget_task(**_: Any) -> None:
    """It is idle again."""
    for heartbeat in _heartbeats:
        heartbeat.worker.task, heartbeat.worker.task_since = "", None
