from typing import ClassVar

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from common.admin import ReadOnlyAdmin

from .models import WorkerHeartbeat


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    """The workers that there are, and when each was last seen."""

    list_display: ClassVar = ["name", "lives", "queues", "task", "memory", "peak", "seen_at"]
    search_fields: ClassVar = ["name", "queues"]

    @admin.display(boolean=True)
    def lives(self, worker: WorkerHeartbeat) -> bool:
        """Whether its last sign is fresh."""
        return worker.is_fresh

    @admin.display(ordering="rss_bytes")
    def memory(self, worker: WorkerHeartbeat) -> str:
        """For people."""
        return str(filesizeformat(worker.rss_bytes))

    @admin.display(ordering="peak_bytes")
    def peak(self, worker: WorkerHeartbeat) -> str:
        """For people."""
        return str(filesizeformat(worker.peak_bytes))
