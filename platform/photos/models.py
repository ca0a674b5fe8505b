"""Originals, photos and faces."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from common.ids import new_id
from common.leases import Leased
from common.models import PublicModel
from people.models import MODEL_LENGTH, Gallery, Person, SeveralFaces
from vectors.codec import BYTES
from vectors.models import PersonTemplate


def original_path(original: "Original", filename: str) -> str:
    """A name of our own: `filename` is the sender's and is not used.

    It is never used twice, so that deleting an old file can't hit one that was just uploaded.
    """
    gallery = original.gallery.public_id.hex
    return f"originals/{gallery}/{original.sha256[:2]}/{original.public_id.hex}{original.extension}"


class Original(PublicModel):
    """The bytes of a photo as they were sent, kept once per gallery.

    It goes with the last photo that refers to it.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="originals")
    sha256 = models.CharField(max_length=64)
    file = models.FileField(upload_to=original_path, max_length=300)
    bytes = models.PositiveIntegerField()
    media_type = models.CharField(max_length=40)
    extension = models.CharField(max_length=10)
    width = models.PositiveIntegerField(help_text="Pixels, upright.")
    height = models.PositiveIntegerField(help_text="Pixels, upright.")
    frames = models.PositiveIntegerField(
        default=1, help_text="More than one: an animation, of which the first frame counts."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gallery", "sha256"], name="one_original_per_gallery"),
            models.CheckConstraint(
                condition=Exact(Length("sha256"), 64), name="original_sha256_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} {self.width}x{self.height}"


class PhotoState(models.TextChoices):
    """Where a photo is on its way."""

    RECEIVED = "received", "Received: waits for a worker"
    PROCESSING = "processing", "Processing: a worker has it"
    ENROLLED = "enrolled", "Enrolled: its face is part of the person's template"
    REJECTED = "rejected", "Rejected: its face can't be used"
    REVIEW = "review", "Review: waits for a person's decision"
    QUARANTINED = "quarantined", "Quarantined: failed three times"


FINAL_STATES = (
    PhotoState.ENROLLED,
    PhotoState.REJECTED,
    PhotoState.REVIEW,
    PhotoState.QUARANTINED,
)


class Source(models.TextChoices):
    """How a photo came."""

    API = "api"
    DEMO = "demo"
    IMPORT = "import"


class Photo(PublicModel, Leased):
    """A photo given for a person's enrolment, or kept without one."""

    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="photos")
    person = models.ForeignKey(
        Person, on_delete=models.PROTECT, related_name="photos", null=True, blank=True
    )
    original = models.ForeignKey(Original, on_delete=models.PROTECT, related_name="photos")
    source = models.CharField(max_length=10, choices=Source, default=Source.API)
    state = models.CharField(max_length=12, choices=PhotoState, default=PhotoState.RECEIVED)
    code = models.CharField(max_length=40, blank=True, help_text="Why, for programs.")
    text = models.TextField(blank=True, help_text="Why, for people.")
    several_faces = models.CharField(
        max_length=10,
        choices=SeveralFaces,
        blank=True,
        help_text="Overrides the gallery's policy for this photo.",
    )
    face_box = models.JSONField(
        null=True, blank=True, help_text="The face meant: {x, y, width, height} in pixels."
    )
    vouched = models.BooleanField(
        default=False, help_text="A reviewer has said that it shows its person."
    )
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "original"], name="one_photo_per_person_and_bytes"
            ),
            models.CheckConstraint(condition=Q(state__in=PhotoState.values), name="photo_state"),
            models.CheckConstraint(
                condition=Q(several_faces__in=["", *SeveralFaces.values]),
                name="photo_several_faces",
            ),
            models.CheckConstraint(
                condition=Q(state=PhotoState.PROCESSING, lease__isnull=False)
                | (~Q(state=PhotoState.PROCESSING) & Q(lease__isnull=True)),
                name="photo_leased_while_processing",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[PhotoState.REJECTED, PhotoState.QUARANTINED]) | ~Q(code=""),
                name="photo_refused_with_code",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(state__in=[PhotoState.RECEIVED, PhotoState.PROCESSING]),
                name="photos_under_way",
            ),
            models.Index(fields=["gallery", "state", "id"], name="photos_of_state"),
        ]

    def __str__(self) -> str:
        return f"photo {self.public_id}"


class FaceQuerySet(models.QuerySet["Face"]):
    """Faces, of whichever model."""

    def shown(self) -> "FaceQuerySet":
        """Of an enrolled photo those that the gallery's present model found; of others all.

        A photo that isn't enrolled has only the faces of the model that it was processed with.
        """
        return self.filter(
            Q(model=F("photo__gallery__model")) | ~Q(photo__state=PhotoState.ENROLLED)
        )


class Face(models.Model):
    """A face found on a photo by one model; at most one of them goes into the person's template.

    An enrolled photo has faces of each model that its gallery is searched with, or is to be.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=new_id, unique=True, editable=False)
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="faces")
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField()
    height = models.FloatField()
    landmarks = models.JSONField(help_text="Five [x, y] in pixels: eyes, nose, mouth corners.")
    detector_score = models.FloatField()
    quality = models.JSONField(default=dict)
    vector = models.BinaryField()
    model = models.CharField(max_length=MODEL_LENGTH)
    template = models.ForeignKey(
        PersonTemplate, on_delete=models.SET_NULL, null=True, related_name="faces"
    )
    unused_because = models.CharField(
        max_length=40, blank=True, help_text="Why it went into no template."
    )

    objects = FaceQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Exact(Length("vector"), BYTES), name="face_vector_bytes"
            ),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="face_box"),
            models.UniqueConstraint(
                fields=["photo", "model"],
                condition=Q(template__isnull=False),
                name="one_enrolled_face_per_model",
            ),
        ]

    def __str__(self) -> str:
        return f"face {self.public_id}"


class FollowState(models.TextChoices):
    """How far a gallery's photos are with a model."""

    SCANNING = "scanning", "Scanning: photos that lack its faces are being looked for"
    FOLLOWING = "following", "Following: each photo enrolled since is noted by itself"
    ENDING = "ending", "Ending: its faces and templates are being removed"


class GalleryModel(models.Model):
    """A model of which a gallery's enrolled photos are to have faces.

    Only a gallery whose model is being changed, or was, has such rows: one for each model.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="models_followed")
    model = models.CharField(max_length=MODEL_LENGTH)
    state = models.CharField(max_length=10, choices=FollowState, default=FollowState.SCANNING)
    reached = models.BigIntegerField(
        default=0, help_text="The last photo looked at; while it ends, the last person."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gallery", "model"], name="one_row_per_gallery_model"),
            models.CheckConstraint(
                condition=Q(state__in=FollowState.values), name="gallery_model_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} in {self.gallery} ({self.state})"


class MissingFaces(models.Model):
    """That an enrolled photo lacks the faces of a model: work for a worker, or given up."""

    id = models.BigAutoField(primary_key=True)
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="missing_faces")
    model = models.CharField(max_length=MODEL_LENGTH)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    code = models.CharField(max_length=40, blank=True, help_text="Why it was given up.")

    class Meta:
        verbose_name_plural = "missing faces"
        constraints = [
            models.UniqueConstraint(fields=["photo", "model"], name="missing_once_per_model"),
        ]
        indexes = [
            models.Index(
                fields=["model", "attempts", "id"], condition=Q(code=""), name="faces_to_be_made"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} of photo {self.photo_id}"
