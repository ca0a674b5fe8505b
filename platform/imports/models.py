"""Import jobs, and what becomes of each of their files."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from common.leases import Leased
from common.models import PublicModel
from people.models import SHA256_LENGTH, Gallery, Person, SeveralFaces
from photos.models import Photo

ACTOR_LENGTH = 80


class JobState(models.TextChoices):
    """The life of a job."""

    UPLOADING = "uploading", "Uploading: its archive, list or table is on its way"
    PLANNING = "planning", "Planning: a worker looks at what it has"
    PLANNED = "planned", "Planned: waits for somebody to start it"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused: goes on when it is told to"
    CANCELLED = "cancelled", "Cancelled: what is done stays"
    DONE = "done", "Done: each file has its result"
    FAILED = "failed", "Failed: its source can't be read"
    UNDOING = "undoing", "Undoing: what it added is being removed"
    UNDONE = "undone", "Undone: what it added is gone"


class ImportJob(PublicModel):
    """Photos of a source, to be enrolled in a gallery: listed, then worked on in chunks.

    `source` says where they are ({"kind": archive, folder, urls or bucket, ...}), `layout` how
    files become people.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="imports")
    actor = models.CharField(max_length=ACTOR_LENGTH)
    state = models.CharField(max_length=10, choices=JobState)
    source = models.JSONField()
    layout = models.JSONField()
    several_faces = models.CharField(max_length=10, choices=SeveralFaces, blank=True)
    priority = models.SmallIntegerField(default=0, help_text="The higher, the sooner.")
    uploaded = models.PositiveBigIntegerField(default=0, help_text="Bytes of its archive so far.")
    plan = models.JSONField(null=True)
    listed = models.BooleanField(default=False, help_text="Whether every file has its row.")
    ignored = models.JSONField(default=dict, help_text="Files never meant to be imported.")
    losses = models.JSONField(default=list, help_text="What the source has and can't give.")
    erased = models.JSONField(
        default=list, help_text="Digests of who was erased before every file had its row."
    )
    code = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    idle_seconds = models.FloatField(
        default=0.0, db_default=0.0, help_text="Since its start, in which nobody was to work on it."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="import_state"),
            models.CheckConstraint(
                condition=Q(several_faces__in=["", *SeveralFaces.values]),
                name="import_several_faces",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-priority", "id"],
                condition=Q(state__in=[JobState.PLANNING, JobState.RUNNING, JobState.UNDOING]),
                name="imports_to_work_on",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.public_id}"

    @property
    def stopped_at(self) -> datetime | None:
        """When it was paused, cancelled, given up or done, if it is that now."""
        return self.updated_at if self.state == JobState.PAUSED else self.finished_at

    @property
    def seconds_at_work(self) -> float | None:
        """Since its start, without the time in which it stood still; None before."""
        if self.started_at is None:
            return None
        whole = (self.stopped_at or timezone.now()) - self.started_at
        return max(whole.total_seconds() - self.idle_seconds, 0.0)


class ItemState(models.TextChoices):
    """Where a file is on its way. All but the first two are results."""

    WAITING = "waiting", "Waiting: for a worker"
    WORKING = "working", "Working: a worker has it"
    ENROLLED = "enrolled", "Enrolled: its face is part of the person's template"
    DUPLICATE = "duplicate", "Duplicate: the person had this photo already"
    REVIEW = "review", "Review: a reviewer decides"
    REJECTED = "rejected", "Rejected: it can't be used"
    FAILED = "failed", "Failed: three times"


UNDER_WAY = (ItemState.WAITING, ItemState.WORKING)


class ImportItem(Leased):
    """A file of a job, or a line of its manifest that stands for no file."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveBigIntegerField(null=True, help_text="Its place in the source.")
    line = models.PositiveBigIntegerField(null=True, help_text="Of the manifest.")
    name = models.TextField()
    key = models.TextField(blank=True, help_text="What finds it in the source.")
    size = models.PositiveBigIntegerField(null=True)
    external_id = models.CharField(max_length=200, blank=True)
    person_name = models.CharField(max_length=300, blank=True)
    metadata = models.JSONField(default=dict)
    several_faces = models.CharField(max_length=10, choices=SeveralFaces, blank=True)
    state = models.CharField(max_length=10, choices=ItemState, default=ItemState.WAITING)
    code = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)
    sha256 = models.CharField(max_length=SHA256_LENGTH, blank=True)
    photo = models.ForeignKey(Photo, on_delete=models.SET_NULL, null=True, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="+")
    made_photo = models.BooleanField(default=False, help_text="Whether the job added the photo.")
    made_person = models.BooleanField(default=False, help_text="Whether the job added the person.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="one_item_per_file"),
            models.UniqueConstraint(
                fields=["job", "line"], condition=Q(number=None), name="one_item_per_line"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ItemState.values), name="import_item_state"
            ),
            models.CheckConstraint(
                condition=Q(state=ItemState.WORKING, lease__isnull=False)
                | (~Q(state=ItemState.WORKING) & Q(lease__isnull=True)),
                name="import_item_leased_while_working",
            ),
        ]
        indexes = [
            models.Index(fields=["job", "state", "number"], name="import_items_of_state"),
            models.Index(fields=["external_id"], name="import_items_of_person"),
            models.Index(
                fields=["leased_until"],
                condition=Q(state=ItemState.WORKING),
                name="import_items_in_hand",
            ),
        ]

    def __str__(self) -> str:
        return f"file {self.number} of import {self.job_id}"
