"""Who is to be admitted, who turned out to be whom, and the ledger of erasures."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from common.models import PublicModel
from people.models import Gallery, Held, Person
from reviews.models import ACTOR_LENGTH, Review

REASON_LENGTH = 500


class Erasure(models.Model):
    """A person was erased. Ids and counts only: enough to prove it, and to repeat it.

    After an older backup is restored the ledger is replayed, so that nobody erased comes back: no
    such person, and no such photo, whosever it was at the time of the backup.
    """

    person = models.UUIDField(unique=True)
    gallery = models.UUIDField()
    actor = models.CharField(max_length=80)
    photos = models.PositiveIntegerField()
    templates = models.PositiveIntegerField()
    template_ids = models.JSONField(default=list)
    photo_ids = models.JSONField(default=list)  # of those erased before they were noted: none
    at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"person {self.person} at {self.at:%Y-%m-%d %H:%M}"


class Stage(models.TextChoices):
    """Which look for somebody like them comes next."""

    BEFORE = "before", "Before they are found by searches"
    AFTER = "after", "Once more when they are: two who came together have not seen each other"


class Admission(models.Model):
    """That somebody new is to be looked up among those enrolled: work for a worker.

    With their gallery beside them, so that each gallery's can be asked for at once, however many
    wait in others.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", editable=False)
    person = models.OneToOneField(Person, on_delete=models.CASCADE, related_name="admission")
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.BEFORE)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="admission_stage"),
        ]
        indexes = [models.Index(fields=["gallery", "stage", "id"], name="admissions_by_gallery")]

    def __str__(self) -> str:
        return f"admission of person {self.person_id} ({self.stage})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store it, in the person's gallery."""
        if self.gallery_id is None:
            self.gallery_id = self.person.gallery_id
        super().save(*args, **kwargs)


class IdentityKind(models.TextChoices):
    """What was found out of two people."""

    MERGE = "merge", "Merge: `other` is the same person as `person`"
    SPLIT = "split", "Split: some photos of `person` were of `other`"
    APART = "apart", "Apart: they are two people, however alike"


class IdentityChange(PublicModel):
    """Who turned out to be whom, when, and by whose decision. Undone, it stays on record.

    `moved` are the photos that changed hands, by their public ids; `held_before` and
    `active_before` what `other` was before a merge.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=IdentityKind)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="changes")
    other = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="changes_as_other")
    review = models.ForeignKey(
        Review, on_delete=models.SET_NULL, null=True, blank=True, related_name="changes"
    )
    actor = models.CharField(max_length=ACTOR_LENGTH)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    moved = models.JSONField(default=list)
    returned = models.JSONField(default=list, help_text="Photos that `other` got in exchange.")
    held_before = models.CharField(max_length=10, choices=Held, blank=True)
    active_before = models.BooleanField(default=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=ACTOR_LENGTH, blank=True)
    undone_because = models.CharField(max_length=REASON_LENGTH, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=IdentityKind.values), name="identity_change_kind"
            ),
            models.CheckConstraint(condition=~Q(person=F("other")), name="identity_change_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"
