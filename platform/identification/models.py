"""The search log, what is counted of it, and the faces that are kept for a while."""

from django.db import models
from django.utils import timezone

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
