"""How long each stage of a lookup takes, for its answer and for Prometheus; how lookups end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from time import perf_counter
from typing import ParamSpec, TypeVar

from prometheus_client import Counter, Histogram

from common.errors import Problem

P = ParamSpec("P")
T = TypeVar("T")

STAGE_SECONDS = Histogram(
    "likeness_lookup_stage_seconds",
    "Seconds that a stage of a lookup took, whether it ended well or not.",
    ["operation", "stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
LOOKUPS = Counter(
    "likeness_lookups", "Lookups by how they ended: ok, or a problem's code.", ["operation", "code"]
)


class Stopwatch:
    """Milliseconds by stage, in the order of the stages."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._started = perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        before = perf_counter()
        try:
            yield
        finally:
            self.add(name, perf_counter() - before)

    def add(self, name: str, seconds: float) -> None:
        """Add time that something else has measured to a stage."""
        self._stages[name] = self._stages.get(name, 0.0) + seconds * 1000
        STAGE_SECONDS.labels(self._operation, name).observe(seconds)

    def milliseconds(self) -> dict[str, float]:
        """The stages so far, and `total` since the stopwatch was made."""
        total = (perf_counter() - self._started) * 1000
        return {name: round(value, 2) for name, value in {**self._stages, "total": total}.items()}


def counted(operation: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Count each call of a use case by how it ended."""

    def decorate(use_case: Callable[P, T]) -> Callable[P, T]:
        @wraps(use_case)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            code = "internal_error"
            try:
                answer = use_case(*args, **kwargs)
                code = "ok"
                return answer
            except Problem as problem:
                code = problem.code
                raise
            finally:
                LOOKUPS.labels(operation, code).inc()

        return call

    return decorate
