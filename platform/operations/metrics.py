"""Figures for Prometheus: what is counted as it happens, and what is asked for at each scrape."""

from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from time import monotonic
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django_prometheus.middleware import PrometheusAfterMiddleware
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from identification.drift import alarms
from imports.models import UNDER_WAY, ImportItem, ImportJob, JobState
from photos.models import Photo, PhotoState
from vectors.models import GenerationState
from vectors.outbox import live
from vectors.recall import measured
from vectors.selectors import lag

from .checks.broker import queue_lengths
from .models import CLOCK, WorkerHeartbeat
from .parts import Question

REMEMBERED_SECONDS = 5.0
# A server that hangs, or another scrape that waits for one, is waited for no longer than this.
PATIENCE = 5.0

Figures = list[GaugeMetricFamily]


class RequestFigures(PrometheusAfterMiddleware):
    """Requests by view, method and status, and how long they took."""

    def label_metric(
        self, metric: Any, request: HttpRequest, response: Any = None, **labels: str
    ) -> Any:
        """The metric with its labels. Any word may be a method; a label for each has no end."""
        if "method" in labels:
            labels["method"] = self._method(request)
        return super().label_metric(metric, request, response, **labels)


def _photos() -> Figures:
    by_state = dict(Photo.objects.values_list("state").annotate(count=Count("id")))
    figure = GaugeMetricFamily("likeness_photos", "Photos by state.", labels=["state"])
    for state in PhotoState.values:
        figure.add_metric([state], by_state.get(state, 0))
    return [figure]


def _imports() -> Figures:
    by_state = dict(ImportJob.objects.values_list("state").annotate(count=Count("id")))
    jobs = GaugeMetricFamily("likeness_imports", "Import jobs by state.", labels=["state"])
    for state in JobState.values:
        jobs.add_metric([state], by_state.get(state, 0))
    left = ImportItem.objects.filter(job__state=JobState.RUNNING, state__in=UNDER_WAY).count()
    return [
        jobs,
        _gauge("likeness_import_files_waiting", "Files of running imports without a result.", left),
    ]


def _outbox() -> Figures:
    behind = lag()
    return [
        _gauge("likeness_outbox_pending", "Changes not yet in the index.", behind.pending),
        _gauge("likeness_outbox_lag_seconds", "Age of the oldest of them.", behind.seconds),
    ]


def _index() -> Figures:
    by_state = dict(live().order_by().values_list("state").annotate(count=Count("id")))
    states = GaugeMetricFamily(
        "likeness_index_generations", "Collections in Milvus.", labels=["state"]
    )
    for state in (GenerationState.BUILDING, GenerationState.READY):
        states.add_metric([state], by_state.get(state, 0))
    stuck = live().exclude(problem="").count()
    least = min((each.recall or 0.0 for each in measured()), default=None)
    return [
        states,
        _gauge("likeness_index_problems", "New indexes that can't take over.", stuck),
        *(
            []
            if least is None
            else [_gauge("likeness_index_recall", "Recall@1 of the gallery with the least.", least)]
        ),
    ]


def _telemetry() -> Figures:
    return [
        _gauge(
            "likeness_drift_alarms",
            "Galleries where strangers score higher than the calibration foretells.",
            len(alarms()),
        )
    ]


def _queues() -> Figures:
    figure = GaugeMetricFamily(
        "likeness_queue_length", "Messages that wait in the broker.", labels=["queue"]
    )
    for name, length in queue_lengths().items():
        figure.add_metric([name], length)
    return [figure]


def _workers() -> Figures:
    memory = GaugeMetricFamily(
        "likeness_worker_memory_bytes", "Resident memory of a worker.", labels=["worker"]
    )
    age = GaugeMetricFamily(
        "likeness_worker_last_seen_seconds", "Since its last sign of life.", labels=["worker"]
    )
    sweep = GaugeMetricFamily("likeness_sweep_age_seconds", "Since the clock's last tick.")
    for row in WorkerHeartbeat.objects.all():
        if row.name == CLOCK:
            sweep.add_metric([], row.age)
            continue
        memory.add_metric([row.name], row.rss_bytes)
        age.add_metric([row.name], row.age)
    return [memory, age, sweep]


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


class PlatformFigures(Collector):
    """What the database and the broker know, at most every five seconds.

    A part that is away yields no figure, and a 1 in `likeness_scrape_error`.
    """

    def __init__(self, sources: dict[str, Callable[[], Figures]]) -> None:
        self._sources = {part: Question(source) for part, source in sources.items()}
        self._lock = Lock()
        self._until = 0.0
        self._last: Figures = []

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: whoever registers this must not wait for a database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures of all parts that answer."""
        if not self._lock.acquire(timeout=PATIENCE):
            yield self._errors(set(self._sources))
            return
        try:
            if monotonic() > self._until:
                self._last = self._ask()
                self._until = monotonic() + REMEMBERED_SECONDS
            yield from self._last
        finally:
            self._lock.release()

    def _ask(self) -> Figures:
        until = monotonic() + PATIENCE
        for source in self._sources.values():
            source.begin()
        found: Figures = []
        away: set[str] = set()
        for part, source in self._sources.items():
            try:
                found += source.answer(until)
            except Exception:  # noqa: BLE001 - whatever is wrong with a part, the others count
                away.add(part)
        return [*found, self._errors(away)]

    def _errors(self, away: set[str]) -> GaugeMetricFamily:
        figure = GaugeMetricFamily(
            "likeness_scrape_error", "1: the figures of this part are missing.", labels=["part"]
        )
        for part in self._sources:
            figure.add_metric([part], part in away)
        return figure


figures = PlatformFigures(
    {
        "photos": _photos,
        "imports": _imports,
        "outbox": _outbox,
        "index": _index,
        "telemetry": _telemetry,
        "queues": _queues,
        "workers": _workers,
    }
)
REGISTRY.register(figures)
