"""Galleries, people, and memberships."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import ApiKey
from common.models import PublicModel

DEFAULT_MODEL = "mtcnn-dlib-resnet"


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


class Gallery(PublicModel):
    """A set of people searched together, and the settings they share."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    model = models.CharField(
        max_length=80, default=DEFAULT_MODEL, help_text="The pipeline that makes its templates."
    )
    min_face = models.PositiveSmallIntegerField(
        default=100,
        validators=[MinValueValidator(20), MaxValueValidator(2000)],
        help_text="The narrowest face that may be enrolled, in pixels.",
    )
    several_faces = models.CharField(
        max_length=10, choices=SeveralFaces, default=SeveralFaces.REJECT
    )

    class Meta:
        verbose_name_plural = "galleries"
        constraints = [
            models.CheckConstraint(
                condition=Q(min_face__gte=20, min_face__lte=2000), name="gallery_min_face_range"
            ),
            models.CheckConstraint(
                condition=Q(several_faces__in=SeveralFaces.values), name="gallery_several_faces"
            ),
        ]

    def __str__(self) -> str:
        return self.name


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


class Person(PublicModel):
    """Somebody in a gallery. Only active people are found."""

    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="people")
    external_id = models.CharField(
        max_length=200, blank=True, help_text="The id that your own records use, if any."
    )
    name = models.CharField(max_length=300, blank=True)
    notes = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "external_id"],
                condition=~Q(external_id=""),
                name="one_person_per_external_id",
            ),
        ]
        indexes = [models.Index(fields=["gallery", "name"], name="people_by_name")]

    def __str__(self) -> str:
        return self.name or self.external_id or str(self.public_id)
