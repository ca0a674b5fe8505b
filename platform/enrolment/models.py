"""The ledger of erasures."""

from django.db import models
from django.utils import timezone


class Erasure(models.Model):
    """A person was erased. Ids and counts only: enough to prove it, and to repeat it.

    After an older backup is restored the ledger is replayed, so that nobody erased comes back.
    """

    person = models.UUIDField(unique=True)
    gallery = models.UUIDField()
    actor = models.CharField(max_length=80)
    photos = models.PositiveIntegerField()
    templates = models.PositiveIntegerField()
    template_ids = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"person {self.person} at {self.at:%Y-%m-%d %H:%M}"
