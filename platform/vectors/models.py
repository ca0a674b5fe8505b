"""Templates of people, the index made of them, and the outbox between the two.

The database is the truth. A template is searchable when `indexed_version` has caught up with
`version`; what is still to be written to Milvus stands in the outbox.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from common.ids import new_id
from common.models import PublicModel
from people.models import Gallery, Person

from .codec import BYTES


class PersonTemplate(models.Model):
    """The fused template of a person, made by one model from the faces enrolled.

    `id` is its primary key in Milvus; it is never used again for another template, except after a
    restore, which therefore forgets every index (`vectors/forget.py`).
    """

    id = models.BigAutoField(primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="templates")
    model = models.CharField(max_length=80)
    vector = models.BinaryField()
    face_count = models.PositiveIntegerField()
    version = models.PositiveBigIntegerField(default=1)
    indexed_version = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "model"], name="one_template_per_model"),
            models.CheckConstraint(
                condition=Exact(Length("vector"), BYTES), name="template_vector_bytes"
            ),
            models.CheckConstraint(condition=Q(face_count__gte=1), name="template_has_faces"),
            models.CheckConstraint(
                condition=Q(indexed_version__lte=F("version")), name="template_indexed_version"
            ),
        ]

    def __str__(self) -> str:
        return f"template {self.pk} v{self.version}"

    @property
    def searchable(self) -> bool:
        """Whether searches see its present state."""
        return self.indexed_version == self.version


class GenerationState(models.TextChoices):
    """The life of an index generation. Only a ready one is searched."""

    BUILDING = "building"
    READY = "ready"
    RETIRED = "retired"


class IndexGeneration(PublicModel):
    """One Milvus collection: the templates of one model on one server."""

    model = models.CharField(max_length=80)
    server = models.CharField(max_length=300, help_text="Where: 'embedded', or Milvus's address.")
    index_type = models.CharField(max_length=20, default="FLAT")
    state = models.CharField(
        max_length=10, choices=GenerationState, default=GenerationState.BUILDING
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=GenerationState.values), name="generation_state"
            ),
            models.UniqueConstraint(
                fields=["model", "server"],
                condition=~Q(state=GenerationState.RETIRED),
                name="one_live_generation_per_server",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection} ({self.state})"

    @property
    def collection(self) -> str:
        """The collection's name in Milvus."""
        return f"likeness_{self.public_id.hex}"


class ActiveIndex(models.Model):
    """The generation that answers a gallery's searches."""

    gallery = models.OneToOneField(Gallery, on_delete=models.CASCADE, related_name="active_index")
    generation = models.ForeignKey(IndexGeneration, on_delete=models.PROTECT)

    class Meta:
        verbose_name_plural = "active indexes"

    def __str__(self) -> str:
        return f"{self.gallery}: {self.generation}"


class VectorOutbox(models.Model):
    """A template whose entry in one generation may be out of date.

    The row outlives its template: a deleted template is deleted in Milvus because its row stands
    here. `stamp` changes with every further change, so that a worker removes the row only if
    nothing happened since it read the template. `claimed_until` keeps two workers from writing
    the same entry at once, in which case the older state could arrive last.
    """

    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE)
    template_id = models.BigIntegerField()
    stamp = models.UUIDField(default=new_id)
    dirty_since = models.DateTimeField(auto_now_add=True)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "vector outbox"
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "template_id"], name="one_dirty_row_per_entry"
            )
        ]

    def __str__(self) -> str:
        return f"template {self.template_id} in {self.generation_id}"
