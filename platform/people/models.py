"""Galleries, people, and memberships."""

import math
from dataclasses import fields
from typing import TypeAlias

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import ApiKey
from common.models import PublicModel
from embedder.gates import DEFAULT_GATES, Gates

DEFAULT_MODEL = "mtcnn-dlib-resnet"

MODEL_LENGTH = 80
SHA256_LENGTH = 64

LimitField: TypeAlias = "models.FloatField[float | None, float | None]"


class Role(models.TextChoices):
    """What a member may do; each role includes those before it."""

    VIEWER = "viewer", "Viewer: looks up faces"
    OPERATOR = "operator", "Operator: enrols people"
    REVIEWER = "reviewer", "Reviewer: decides doubtful matches"
    ADMIN = "admin", "Administrator: settings, members, keys, erasure"

    @property
    def rank(self) -> int:
        """Its place from least (0) to most power."""
        return list(Role).index(self)


class SeveralFaces(models.TextChoices):
    """What to do when an enrolment photo shows more than one face."""

    REJECT = "reject", "Reject the photo"
    CENTRAL = "central", "Take the face nearest the centre"
    LARGEST = "largest", "Take the widest face"


def is_finite(value: float) -> None:
    """Refuse what compares with nothing, and so passes every range. Raises ValidationError."""
    if not math.isfinite(value):
        raise ValidationError("Write a number.", code="not_finite")


def _limit(default: float | None, help_text: str, lowest: int = 0, highest: int = 1) -> LimitField:
    """A limit for one figure of a face's quality; null for none."""
    return models.FloatField(
        null=True,
        blank=True,
        default=default,
        validators=[MinValueValidator(lowest), MaxValueValidator(highest), is_finite],
        help_text=f"{help_text} Empty: not asked for.",
    )


class KnownModel(models.Model):
    """What a model's name stands for: `fingerprint` changes with whatever changes its templates."""

    name = models.CharField(max_length=MODEL_LENGTH, unique=True)
    fingerprint = models.CharField(max_length=SHA256_LENGTH)
    for_new_galleries = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["for_new_galleries"],
                condition=Q(for_new_galleries=True),
                name="one_model_for_new_galleries",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Gallery(PublicModel):
    """A set of people searched together, and the settings they share."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    model = models.CharField(
        max_length=MODEL_LENGTH,
        default=DEFAULT_MODEL,
        help_text="What makes its templates, a detector and a network.",
    )
    min_face = models.PositiveSmallIntegerField(
        default=100,
        validators=[MinValueValidator(20), MaxValueValidator(2000)],
        help_text="The narrowest face that may be enrolled, in pixels.",
    )
    several_faces = models.CharField(
        max_length=10, choices=SeveralFaces, default=SeveralFaces.REJECT
    )
    min_quality = _limit(
        DEFAULT_GATES.min_quality, "The least quality in all of a face to enrol, 0 to 1."
    )
    min_focus = _limit(DEFAULT_GATES.min_focus, "The least focus, 0 (blurred) to 1 (sharp).")
    max_yaw = _limit(
        DEFAULT_GATES.max_yaw, "How far it may be turned to either side, in degrees.", 1, 90
    )
    min_brightness = _limit(DEFAULT_GATES.min_brightness, "The darkest, 0 (black) to 1 (white).")
    max_brightness = _limit(DEFAULT_GATES.max_brightness, "The brightest, 0 (black) to 1 (white).")
    min_contrast = _limit(DEFAULT_GATES.min_contrast, "The least contrast, 0 (flat) to 0.5.")

    class Meta:
        verbose_name_plural = "galleries"
        constraints = [
            models.CheckConstraint(
                condition=Q(min_face__gte=20, min_face__lte=2000), name="gallery_min_face_range"
            ),
            models.CheckConstraint(
                condition=Q(several_faces__in=SeveralFaces.values), name="gallery_several_faces"
            ),
            models.CheckConstraint(
                condition=Q(min_quality__gte=0, min_quality__lte=1)
                & Q(min_focus__gte=0, min_focus__lte=1)
                & Q(min_brightness__gte=0, min_brightness__lte=1)
                & Q(max_brightness__gte=0, max_brightness__lte=1)
                & Q(min_contrast__gte=0, min_contrast__lte=1)
                & Q(max_yaw__gte=1, max_yaw__lte=90),
                name="gallery_quality_ranges",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def gates(self) -> Gates:
        """What its settings ask of a face that is to be enrolled."""
        return Gates(**{each.name: getattr(self, each.name) for each in fields(Gates)})


class Membership(models.Model):
    """The role of a user or of an API key in a gallery. A key belongs to one gallery."""

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True
    )
    api_key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, null=True, blank=True)
    role = models.CharField(max_length=10, choices=Role)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, api_key__isnull=True)
                | Q(user__isnull=True, api_key__isnull=False),
                name="membership_of_user_or_key",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role"),
            models.UniqueConstraint(fields=["gallery", "user"], name="one_role_per_gallery"),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.api_key}: {self.role} of {self.gallery}"


class Held(models.TextChoices):
    """Why the platform keeps somebody out of searches, whatever an operator wants."""

    CHECKING = "checking", "Checking: whether they are enrolled already is being looked up"
    DUPLICATE = "duplicate", "Duplicate: they look like somebody enrolled, a reviewer decides"
    REFUSED = "refused", "Refused: they look like somebody enrolled"
    MERGED = "merged", "Merged: they are the same person as another"


class Person(PublicModel):
    """Somebody in a gallery. Only active people are found; who is held is not active."""

    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="people")
    external_id = models.CharField(
        max_length=200, blank=True, help_text="The id that your own records use, if any."
    )
    name = models.CharField(max_length=300, blank=True)
    notes = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    active = models.BooleanField(default=True)
    held = models.CharField(
        max_length=10,
        choices=Held,
        blank=True,
        default="",
        db_default="",  # bulk loads write their rows without it
        help_text="Why they are kept out of searches.",
    )
    merged_into: "models.ForeignKey[Person | None, Person | None]" = models.ForeignKey(
        "self",
        # Whoever is erased is erased together with all that they were merged from.
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="merged_from",
        help_text="Who they turned out to be.",
    )
    admitted_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When nobody like them was found, and they were let in.",
    )

    class Meta:
        verbose_name_plural = "people"
        constraints = [
            models.CheckConstraint(
                condition=Q(held="") | Q(active=False, held__in=Held.values),
                name="person_held_is_inactive",
            ),
            models.CheckConstraint(
                condition=Q(held=Held.MERGED, merged_into__isnull=False)
                | (~Q(held=Held.MERGED) & Q(merged_into=None)),
                name="person_merged_into_somebody",
            ),
            models.UniqueConstraint(
                fields=["gallery", "external_id"],
                condition=~Q(external_id=""),
                name="one_person_per_external_id",
            ),
        ]
        indexes = [
            models.Index(fields=["gallery", "name"], name="people_by_name"),
            models.Index(fields=["held", "id"], name="people_by_held"),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id or str(self.public_id)
