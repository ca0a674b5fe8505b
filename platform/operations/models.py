"""Signs of life of the processes that nobody can ask over HTTP."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

# How often a worker signs, and how old its last sign may be. Three may be missed: a disk or a
# database is slow at times.
BEAT_SECONDS = 10.0
FRESH_SECONDS = 35.0
# The row that every sweep signs: it shows that the clock (beat) runs and that its ticks arrive.
CLOCK = "clock"


class WorkerHeartbeat(models.Model):
    """A worker's last sign of life. A worker that ends cleanly takes its row with it."""

    name = models.CharField(max_length=200, unique=True)
    queues = models.CharField(max_length=200, blank=True, help_text="Separated by commas.")
    pid = models.PositiveIntegerField()
    rss_bytes = models.PositiveBigIntegerField("memory", help_text="In bytes, now.")
    peak_bytes = models.PositiveBigIntegerField("peak memory", help_text="In bytes, ever.")
    task = models.CharField(max_length=80, blank=True, help_text="What it is busy with.")
    task_since = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def age(self) -> float:
        """Seconds since its last sign."""
        return (timezone.now() - self.seen_at).total_seconds()

    @property
    def is_fresh(self) -> bool:
        """Whether it lives, as far as the database knows."""
        return timezone.now() - self.seen_at < timedelta(seconds=FRESH_SECONDS)

    @property
    def queue_names(self) -> list[str]:
        """The queues it takes tasks from."""
        return [name for name in self.queues.split(",") if name]
