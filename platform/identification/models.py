"""The search log, what is counted of it, faces kept for a while, and batches of photos."""

from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.actors import Actor, actor_now
from accounts.models import ApiKey, User
from common.leases import Leased
from common.models import PublicModel
from people.models import MODEL_LENGTH, SHA256_LENGTH, Gallery, Person

REASON_LENGTH = 300
UUID_LENGTH = 36


class Search(PublicModel):
    """One lookup: who, why, in what, by which thresholds, and what came of it.

    It holds ids and figures, no name and nothing of the photo but its hash. `faces` has for each
    face looked up its box, quality, decision, and candidates (person's id, score, stranger_rate).
    `best_two` has for each the score and stranger_rate of the two best, asked for or not: figures
    for telemetry, without whose they are, and shown to nobody.
    """

    actor = models.CharField(max_length=80, db_index=True)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    probe = models.CharField(max_length=SHA256_LENGTH, db_index=True, help_text="SHA-256.")
    galleries = models.ManyToManyField(Gallery, related_name="searches")
    among = models.PositiveIntegerField(null=True, help_text="A list of so many people alone.")
    model = models.CharField(max_length=MODEL_LENGTH)
    searched = models.PositiveBigIntegerField(help_text="N.")
    thresholds = models.JSONField(null=True)
    faces = models.JSONField(default=list)
    best_two = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "searches"
        indexes = [models.Index(fields=["created_at"], name="searches_by_time")]

    def __str__(self) -> str:
        return f"search {self.public_id}"


class Probe(models.Model):
    """A face that was looked up, cut out of its photo, where a policy or a review wants it.

    In the database and not a file, so that it goes with its row, whoever deletes that. It goes with
    `person`, too, the first candidate: of somebody erased nothing stays.
    """

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="probes")
    number = models.PositiveSmallIntegerField(help_text="Among the faces of the search.")
    jpeg = models.BinaryField()
    person = models.ForeignKey(
        Person, on_delete=models.CASCADE, null=True, related_name="probes_like_them"
    )
    keep_until = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["search", "number"], name="one_probe_per_face"),
        ]
        indexes = [models.Index(fields=["keep_until"], name="probes_by_end")]

    def __str__(self) -> str:
        return f"probe {self.number} of {self.search}"


class SearchDay(models.Model):
    """What a day's searches of a gallery came to, by one model and calibration. No row of a person.

    Derived from the search log (identification/rollup.py), which is the truth. Histograms map the
    number of a bin (identification/histograms.py) to a count. `strangers` and what follows are of
    second-best scores that were a stranger's (identification/rollup.py says which those are).
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="search_days")
    day = models.DateField(help_text="UTC.")
    model = models.CharField(max_length=MODEL_LENGTH)
    calibration = models.CharField(
        max_length=UUID_LENGTH, blank=True, help_text="Its id; empty without one, or with several."
    )
    searches = models.PositiveIntegerField(default=0, help_text="Of this gallery alone, and whole.")
    others = models.PositiveIntegerField(
        default=0, help_text="Of a list of its people, or with other galleries."
    )
    faces = models.PositiveIntegerField(default=0)
    decisions = models.JSONField(default=dict)
    best = models.JSONField(default=dict)
    second = models.JSONField(default=dict)
    strangers = models.PositiveIntegerField(default=0)
    high = models.PositiveIntegerField(default=0, help_text="As high as 1 of 20 should be.")
    highest = models.PositiveIntegerField(default=0, help_text="As high as 1 of 200 should be.")
    stranger_rates = models.JSONField(default=dict)
    counted_at = models.DateTimeField(help_text="What was logged before is in it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "day", "model", "calibration"], name="one_count_a_day"
            ),
        ]
        indexes = [models.Index(fields=["day"], name="counts_by_day")]

    def __str__(self) -> str:
        return f"{self.gallery} on {self.day}"


class GalleryTelemetry(Gallery):
    """A gallery as the admin's pages of telemetry show it."""

    class Meta:
        proxy = True
        verbose_name = "telemetry"
        verbose_name_plural = "telemetry"


class Batch(PublicModel):
    """Photos to be looked up in the same way, by whoever has time; and who asked.

    Galleries and people are ids: what has become of them, and of the roles of whoever asked, is
    found out when the work is done.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, related_name="+")
    galleries = models.JSONField()
    among = models.JSONField(null=True, help_text="The people searched alone.")
    top_k = models.PositiveSmallIntegerField()
    faces = models.CharField(max_length=10)
    any_quality = models.BooleanField()
    reason = models.CharField(max_length=REASON_LENGTH, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, api_key__isnull=True)
                | Q(user__isnull=True, api_key__isnull=False),
                name="batch_of_user_or_key",
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.public_id}"

    @property
    def actor(self) -> Actor:
        """Who asked, as they are now. Raises Forbidden if they may do nothing any more."""
        return actor_now(self.user or self.api_key)


class BatchState(models.TextChoices):
    """How far a batch is."""

    WAITING = "waiting", "Waiting: no photo was begun"
    WORKING = "working", "Working: some photos are done"
    DONE = "done", "Done: each photo has its answer or its problem"


class BatchItemState(models.TextChoices):
    """Where a photo of a batch is on its way."""

    WAITING = "waiting", "Waiting: for a worker"
    WORKING = "working", "Working: a worker has it"
    DONE = "done", "Done: it has its answer"
    FAILED = "failed", "Failed: it has a problem"


UNDER_WAY = (BatchItemState.WAITING, BatchItemState.WORKING)
FINISHED = (BatchItemState.DONE, BatchItemState.FAILED)
PROBES = "probes"


def probe_path(item: "BatchItem", extension: str) -> str:
    """A name that says nothing of the sender's, and is never used twice."""
    name = uuid4().hex
    return f"{PROBES}/{name[:2]}/{name}{extension}"


class BatchItem(Leased):
    """A photo of a batch; its file is kept until it has its answer or its problem.

    `answer` is what is answered but for people's names: of candidates it has the ids, as the
    search log has, so that whoever is erased is not in it. While Milvus is away `not_before` says
    when to try again.
    """

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    index = models.PositiveSmallIntegerField(help_text="Its place among the files sent.")
    file = models.FileField(upload_to=probe_path, max_length=100, blank=True)
    sha256 = models.CharField(max_length=SHA256_LENGTH, blank=True)
    state = models.CharField(max_length=10, choices=BatchItemState, default=BatchItemState.WAITING)
    answer = models.JSONField(null=True)
    problem = models.JSONField(null=True)
    not_before = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="one_item_per_index"),
            models.CheckConstraint(
                condition=Q(state=BatchItemState.WORKING, lease__isnull=False)
                | (~Q(state=BatchItemState.WORKING) & Q(lease__isnull=True)),
                name="item_leased_while_working",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=UNDER_WAY,
                    answer__isnull=True,
                    problem__isnull=True,
                    finished_at__isnull=True,
                )
                | Q(state=BatchItemState.DONE, answer__isnull=False, finished_at__isnull=False)
                | Q(state=BatchItemState.FAILED, problem__isnull=False, finished_at__isnull=False),
                name="item_finished_with_result",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state__in=UNDER_WAY), name="items_under_way"),
            models.Index(
                fields=["id"],
                condition=Q(state__in=FINISHED) & ~Q(file=""),
                name="items_with_file_to_delete",
            ),
        ]

    def __str__(self) -> str:
        return f"photo {self.index} of batch {self.batch_id}"
