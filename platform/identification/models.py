"""The search log."""

from django.db import models

from common.models import PublicModel
from people.models import MODEL_LENGTH, SHA256_LENGTH, Gallery

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
