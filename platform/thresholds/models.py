"""Calibrations, and policies of galleries."""

from typing import TypeAlias

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from common.models import PublicModel
from people.models import MODEL_LENGTH, Gallery, is_finite

# A search returns no stranger in so many per cent of cases; more targets are slips of the hand.
LEAST_TARGET, MOST_TARGET = 1e-9, 0.5
MOST_MARGIN = 1e6
REASON_LENGTH = 500

# Probes are of people who did not ask to be kept: a year is the most.
MOST_PROBE_DAYS = 365

ScoreField: TypeAlias = "models.FloatField[float | None, float | None]"


class Calibration(PublicModel):
    """Error rates of a model by score, as measured on labelled faces. Never changed.

    `curves` holds figures only (embedder/calibration/curves.py), by photos in a template.
    """

    model = models.CharField(max_length=MODEL_LENGTH)
    version = models.PositiveIntegerField(help_text="Counts those of the model.")
    gallery = models.ForeignKey(
        Gallery,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="calibrations",
        help_text="Whose people it was made from, and for; empty: from a labelled set, for all.",
    )
    source = models.CharField(max_length=200, help_text="What it was made from, in words.")
    made_by = models.CharField(max_length=100)
    people = models.PositiveIntegerField()
    photos = models.PositiveIntegerField()
    comparisons = models.JSONField(default=dict)
    curves = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "version"], name="calibration_version"),
        ]

    def __str__(self) -> str:
        return f"{self.model} v{self.version}"


def _target(default: float, help_text: str) -> "models.FloatField[float, float]":
    return models.FloatField(
        default=default,
        validators=[MinValueValidator(LEAST_TARGET), MaxValueValidator(MOST_TARGET), is_finite],
        help_text=help_text,
    )


def _override(help_text: str) -> ScoreField:
    return models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-1), MaxValueValidator(1), is_finite],
        help_text=help_text,
    )


class Doubtful(models.TextChoices):
    """What a lookup between the thresholds does."""

    ANSWER = "answer", "Answer: whoever asked decides"
    QUEUE = "queue", "Queue: it comes before a reviewer, with the face that was looked up"


class Duplicates(models.TextChoices):
    """What happens to somebody new who looks like somebody enrolled."""

    REVIEW = "review", "Review: a person decides before they are found"
    BLOCK = "block", "Block: they are refused"
    ALLOW = "allow", "Allow: nobody is looked for"


class Misfits(models.TextChoices):
    """What happens to a photo that is unlike its person's others."""

    REVIEW = "review", "Review: a person decides whether it counts"
    ALLOW = "allow", "Allow: it counts"


class Policy(models.Model):
    """What a gallery asks of a match, of whoever is enrolled, and of reviewers."""

    gallery = models.OneToOneField(
        Gallery, on_delete=models.CASCADE, primary_key=True, related_name="policy"
    )
    match_fpir = _target(
        0.003, "How often a stranger's search may end in a match (FPIR), such as 0.003."
    )
    review_fpir = _target(
        0.05, "How often a stranger's search may come before a person; no less than for a match."
    )
    verify_fmr = _target(0.001, "How often two people's photos may pass for one person's (1:1).")
    margin = models.FloatField(
        default=10.0,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MARGIN), is_finite],
        help_text="By how much the second must be likelier a stranger than the first; nearer than "
        "that, a person decides.",
    )
    min_probe_quality = models.FloatField(
        default=0.0,
        validators=[MinValueValidator(0), MaxValueValidator(1), is_finite],
        help_text="A probe of less quality gets no decision; 0 to 1.",
    )
    requires_reason = models.BooleanField(
        default=False, help_text="Whether every lookup must say why, or a case number."
    )
    doubtful = models.CharField(
        max_length=10,
        choices=Doubtful,
        default=Doubtful.ANSWER,
        help_text="What a lookup between the thresholds does. With `queue` its face is kept until "
        "a reviewer has decided.",
    )
    person_confirms = models.BooleanField(
        default=False, help_text="Whether every match is only a proposal, for a person to confirm."
    )
    keep_probe_days = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(MOST_PROBE_DAYS)],
        help_text="For so many days the faces looked up are kept; 0: not at all.",
    )
    duplicates = models.CharField(
        max_length=10,
        choices=Duplicates,
        default=Duplicates.REVIEW,
        help_text="What happens to somebody new who looks like somebody enrolled.",
    )
    misfits = models.CharField(
        max_length=10,
        choices=Misfits,
        default=Misfits.REVIEW,
        help_text="What happens to a photo that is unlike its person's others.",
    )
    requires_document = models.BooleanField(
        default=False,
        help_text="Whether `/enrolments` wants a photo of the identity document beside the live "
        "one.",
    )
    reviewers = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(2)],
        help_text="How many decide each review; a third, if two disagree.",
    )
    calibration = models.ForeignKey(
        Calibration,
        # Unless the gallery goes, and its own calibrations and its policy with it.
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        help_text="Empty: the newest of its own, or of its model.",
    )
    match_score = _override("Set by hand instead of following from the target.")
    review_score = _override("Set by hand instead of following from the target.")
    override_reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(match_fpir__gt=0, match_fpir__lte=F("review_fpir"))
                & Q(review_fpir__lte=MOST_TARGET, verify_fmr__gt=0, verify_fmr__lte=MOST_TARGET),
                name="policy_targets",
            ),
            models.CheckConstraint(
                condition=Q(match_score=None, review_score=None)
                | Q(match_score__gte=F("review_score")),
                name="policy_scores",
            ),
            models.CheckConstraint(
                condition=Q(doubtful__in=Doubtful.values)
                & Q(duplicates__in=Duplicates.values)
                & Q(misfits__in=Misfits.values)
                & Q(reviewers__gte=1, reviewers__lte=2, keep_probe_days__lte=MOST_PROBE_DAYS),
                name="policy_choices",
            ),
        ]

    def __str__(self) -> str:
        return f"policy of {self.gallery}"
