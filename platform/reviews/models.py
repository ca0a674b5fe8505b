"""Questions to reviewers, and what they answered."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from common.models import PublicModel
from people.models import MODEL_LENGTH, Gallery, Person
from photos.models import Photo

NOTE_LENGTH = 2_000
ACTOR_LENGTH = 80


class Kind(models.TextChoices):
    """What is asked."""

    SEARCH = "search", "Search: is the face looked up one of the candidates?"
    DUPLICATE = "duplicate", "Duplicate: is this new person one of those enrolled?"
    MISFIT = "misfit", "Misfit: does this photo show the person it was sent for?"


class State(models.TextChoices):
    """The life of a review."""

    OPEN = "open", "Open: waits for reviewers"
    DECIDED = "decided", "Decided: what follows was carried out"
    WITHDRAWN = "withdrawn", "Withdrawn: there is nothing left to decide"


class Verdict(models.TextChoices):
    """What a reviewer says."""

    SAME = "same", "The same person"
    DIFFERENT = "different", "Different people"
    UNSURE = "unsure", "Can't tell"


class Review(PublicModel):
    """One question, and what was decided.

    It is about a face that was looked up (`search` and `face_number` name the entry of the search
    log), somebody new (`person`), or a photo of somebody (`photo` and `person`). `round` counts
    how often it was opened: what was said before it was undone stays on record.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="reviews")
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    person = models.ForeignKey(
        Person, on_delete=models.CASCADE, null=True, blank=True, related_name="reviews"
    )
    photo = models.ForeignKey(
        Photo, on_delete=models.CASCADE, null=True, blank=True, related_name="reviews"
    )
    search = models.UUIDField(null=True, blank=True, help_text="The entry of the search log.")
    face_number = models.PositiveSmallIntegerField(null=True, blank=True)
    model = models.CharField(max_length=MODEL_LENGTH)
    searched = models.PositiveBigIntegerField(help_text="N.")
    thresholds = models.JSONField(null=True)
    reviewers = models.PositiveSmallIntegerField(default=1, help_text="How many have to agree.")
    round = models.PositiveSmallIntegerField(default=1)
    assigned_to = models.CharField(max_length=ACTOR_LENGTH, blank=True, db_index=True)
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    chosen = models.ForeignKey(
        Person,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Of the candidates, who it is.",
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    undone_because = models.TextField(blank=True, help_text="Why the last decision was undone.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values, state__in=State.values)
                & Q(verdict__in=["", *Verdict.values]),
                name="review_choices",
            ),
            models.CheckConstraint(
                condition=Q(state=State.DECIDED) & ~Q(verdict="")
                | ~Q(state=State.DECIDED) & Q(verdict=""),
                name="review_decided_with_verdict",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.SEARCH, search__isnull=False, face_number__isnull=False)
                | Q(kind=Kind.DUPLICATE, person__isnull=False)
                | Q(kind=Kind.MISFIT, person__isnull=False, photo__isnull=False),
                name="review_has_subject",
            ),
            models.UniqueConstraint(
                fields=["person"],
                condition=Q(kind=Kind.DUPLICATE, state=State.OPEN),
                name="one_open_review_per_person",
            ),
            models.UniqueConstraint(
                fields=["photo"],
                condition=Q(kind=Kind.MISFIT, state=State.OPEN),
                name="one_open_review_per_photo",
            ),
            models.UniqueConstraint(
                fields=["search", "face_number"],
                condition=Q(kind=Kind.SEARCH, state=State.OPEN),
                name="one_open_review_per_probe",
            ),
        ]
        indexes = [models.Index(fields=["gallery", "state", "id"], name="reviews_of_state")]

    def __str__(self) -> str:
        return f"review {self.public_id}"


class Candidate(models.Model):
    """Who the review's subject may be. Of a photo that doesn't fit: its own person."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="candidates")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="candidate_in")
    score = models.FloatField()
    stranger_rate = models.FloatField(
        help_text="How likely a stranger would score so high; of a photo, in one comparison."
    )

    class Meta:
        ordering = ["-score", "id"]
        constraints = [
            models.UniqueConstraint(fields=["review", "person"], name="one_candidate_per_person"),
        ]

    def __str__(self) -> str:
        return f"candidate {self.person_id} of {self.review_id}"


class Opinion(models.Model):
    """What one reviewer said. Nobody else sees it until the review is decided."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="opinions")
    round = models.PositiveSmallIntegerField()
    actor = models.CharField(max_length=ACTOR_LENGTH)
    verdict = models.CharField(max_length=10, choices=Verdict)
    chosen = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="opinion_verdict"),
            models.UniqueConstraint(
                fields=["review", "round", "actor"], name="one_opinion_per_reviewer"
            ),
        ]

    def __str__(self) -> str:
        return f"opinion of {self.actor} on {self.review_id}"
