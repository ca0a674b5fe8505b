"""The append-only log of who did what."""

from typing import Any, NoReturn

from django.db import models


class AppendOnlyError(TypeError):
    """Somebody tried to change the past."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Reads and appends; refuses the rest."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("Audit entries cannot be changed.")

    def delete(self) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("Audit entries cannot be deleted.")


class AuditEntry(models.Model):
    """One act. It holds ids and figures only: no name, no vector, nothing of a photo."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=80)
    gallery = models.UUIDField(null=True, db_index=True)
    details = models.JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["target", "at"], name="audit_of_target"),
            models.Index(fields=["actor", "id"], name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append; refuse to change."""
        if not self._state.adding:
            raise AppendOnlyError("Audit entries cannot be changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("Audit entries cannot be deleted.")
