"""The search log, and the faces looked up that are kept for a while."""

from django.db import models
from django.utils import timezone

from common.models import PublicModel
from people.models import MODEL_LENGTH, SHA256_LENGTH, Gallery, Person

REASON_LENGTH = 300


class Search(PublicModel):
    """One lookup: who, why, in what, by which thresholds, and what came of it.

    It holds ids and figures, no name and nothing of the photo but its hash. `faces` has for each
    face looked up its box, quality, decision, and candidates (person's id, score, stranger_rate).
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
