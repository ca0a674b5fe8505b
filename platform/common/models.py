"""Base models, and the memory of answers given under an Idempotency-Key."""

from django.db import models

from .ids import new_id


class PublicModel(models.Model):
    """A row that the world knows by a UUIDv7, never by its number."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=new_id, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class IdempotentRequest(models.Model):
    """One POST made under an Idempotency-Key, and the answer it got.

    `status` is null while the first request is under way, in the process `holder`. Answers can
    name people, so they are forgotten after a day, and at once when a person in them is erased.
    """

    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    holder = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="one_answer_per_key"),
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
