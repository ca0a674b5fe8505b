"""Templates of people, the index made of them, and the outbox between the two.

The database is the truth. What is still to be written to Milvus stands in the outbox: a row for
one template, a span for a range of them.
"""

from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from common.ids import new_id
from common.models import PublicModel
from people.models import MODEL_LENGTH, SHA256_LENGTH, Gallery, Person

from .codec import BYTES
from .connection import Collection


class TemplateQuerySet(models.QuerySet["PersonTemplate"]):
    """Templates, and whether searches see them as they are."""

    def searchable(self) -> "TemplateQuerySet":
        """Those whose gallery's index is ready and has nothing noted for them."""
        here = {"generation__activeindex__gallery": OuterRef("person__gallery")}
        ready = ActiveIndex.objects.filter(
            gallery=OuterRef("person__gallery"),
            generation__state=GenerationState.READY,
            generation__model=OuterRef("model"),
        )
        row = VectorOutbox.objects.filter(**here, template_id=OuterRef("pk"))
        span = IndexSpan.objects.filter(
            **here, next_id__lte=OuterRef("pk"), last_id__gte=OuterRef("pk")
        )
        return self.filter(Exists(ready), ~Exists(row), ~Exists(span), person__active=True)

    def with_searchable(self) -> "TemplateQuerySet":
        """Each with its `searchable` read along."""
        found = PersonTemplate.objects.searchable().filter(pk=OuterRef("pk"))
        return self.annotate(is_searchable=Exists(found))


class PersonTemplate(models.Model):
    """The fused template of a person, made by one model from the faces enrolled.

    `id` is its primary key in Milvus; it is never used again for another template, except after a
    restore, which therefore forgets every index (`vectors/forget.py`).

    A template that was brought ready-made stands for `given_faces` faces of which there is no
    photo here. While the person has no other, `vector` is what was brought; once photos are fused
    with it, `given_vector` keeps it.
    """

    id = models.BigAutoField(primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="templates")
    model = models.CharField(max_length=MODEL_LENGTH)
    vector = models.BinaryField()
    face_count = models.PositiveIntegerField()
    given_faces = models.PositiveIntegerField(default=0)
    given_vector = models.BinaryField(null=True)
    version = models.PositiveBigIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "model"], name="one_template_per_model"),
            models.CheckConstraint(
                condition=Exact(Length("vector"), BYTES), name="template_vector_bytes"
            ),
            models.CheckConstraint(
                condition=Q(given_vector=None) | Q(Exact(Length("given_vector"), BYTES)),
                name="template_given_vector_bytes",
            ),
            models.CheckConstraint(condition=Q(face_count__gte=1), name="template_has_faces"),
            models.CheckConstraint(
                condition=Q(given_faces__lte=F("face_count")), name="template_given_faces"
            ),
        ]

    def __str__(self) -> str:
        return f"template {self.pk} v{self.version}"

    @property
    def searchable(self) -> bool:
        """Whether searches see its present state. A query, unless read `with_searchable`."""
        known: bool | None = self.__dict__.get("is_searchable")
        if known is not None:
            return known
        return type(self).objects.searchable().filter(pk=self.pk).exists()


class GenerationState(models.TextChoices):
    """The life of an index generation. Only a ready one is searched; a retired one is to go."""

    BUILDING = "building"
    READY = "ready"
    RETIRED = "retired"


class IndexType(models.TextChoices):
    """How Milvus finds neighbours; `vectors/indexes.py` says when which."""

    FLAT = "FLAT"
    HNSW = "HNSW"
    IVF_SQ8 = "IVF_SQ8"


def collection_name(public_id: UUID) -> str:
    """The name in Milvus of the collection of a generation."""
    return f"likeness_{public_id.hex}"


class IndexGeneration(PublicModel):
    """One Milvus collection: the templates of one model, of the galleries placed in it.

    One process at a time writes to a collection, the holder of its lease, so that an older state
    can't arrive after a newer one.
    """

    model = models.CharField(max_length=MODEL_LENGTH)
    server = models.CharField(max_length=300, help_text="Where: 'embedded', or Milvus's address.")
    index_type = models.CharField(max_length=20, choices=IndexType, default=IndexType.FLAT)
    index_params = models.JSONField(default=dict, blank=True)
    state = models.CharField(
        max_length=10, choices=GenerationState, default=GenerationState.BUILDING
    )
    galleries: "models.ManyToManyField[Gallery, Placement]" = models.ManyToManyField(
        Gallery, through="Placement", related_name="generations"
    )
    takes_over = models.BooleanField(
        default=False, help_text="Once it is ready, its galleries are searched in it."
    )
    keeps_old = models.BooleanField(
        default=True, help_text="What it takes over from stays, to go back to."
    )
    problem = models.TextField(blank=True, help_text="Why it can't take over.")
    expected = models.PositiveBigIntegerField(default=0, help_text="Templates to write, at first.")
    written = models.PositiveBigIntegerField(default=0, help_text="Of these, how many it has.")
    verifications = models.PositiveSmallIntegerField(default=0)
    verified_to = models.BigIntegerField(null=True, help_text="Compared up to this template.")
    filled_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    reconciled_at = models.DateTimeField(null=True, help_text="Last compared with the database.")
    reconciled_wrong = models.PositiveBigIntegerField(
        null=True, help_text="How many entries were not what they should be then."
    )
    held_by = models.CharField(max_length=200, blank=True, help_text="The process that writes.")
    held_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=GenerationState.values), name="generation_state"
            ),
            models.CheckConstraint(
                condition=Q(index_type__in=IndexType.values), name="generation_index_type"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    @property
    def name(self) -> str:
        """The collection's name in Milvus."""
        return collection_name(self.public_id)

    @property
    def collection(self) -> Collection:
        """The collection, and where it is."""
        return Collection(self.server, self.name)


class Placement(models.Model):
    """That a generation holds a gallery's templates, and how it is searched for that gallery."""

    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE)
    width = models.PositiveIntegerField(
        null=True, help_text="How far a search looks: ef of HNSW, nprobe of IVF."
    )
    recall = models.FloatField(null=True, help_text="Recall@1 against exact search, as measured.")
    probes = models.PositiveIntegerField(null=True, help_text="With so many probes.")
    probes_of = models.CharField(max_length=20, blank=True, help_text="'faces' or 'templates'.")
    measured_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "gallery"], name="one_placement"),
        ]

    def __str__(self) -> str:
        return f"{self.gallery} in {self.generation}"


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
    nothing happened since it read the template.
    """

    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE)
    template_id = models.BigIntegerField()
    stamp = models.UUIDField(default=new_id)
    dirty_since = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "vector outbox"
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "template_id"], name="one_dirty_row_per_entry"
            )
        ]

    def __str__(self) -> str:
        return f"template {self.template_id} in {self.generation_id}"


class IndexSpan(models.Model):
    """A range of template ids whose entries in one generation may be out of date.

    What an outbox row says of one template, said of many: a collection to be filled, a bulk load.
    It is worked off from `next_id` to `last_id`, both included, by making Milvus equal to the
    database in that range. While `loading_until` is ahead, a loader has it and nobody else may.
    """

    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE)
    next_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    dirty_since = models.DateTimeField(auto_now_add=True)
    loading_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(next_id__lte=F("last_id")), name="span_order"),
        ]

    def __str__(self) -> str:
        return f"templates {self.next_id} to {self.last_id} in {self.generation_id}"


class VectorImport(PublicModel):
    """A file of ready-made templates being loaded into a gallery, and how far that is.

    Each chunk's rows and its place here are one transaction, so a load that was broken off goes
    on after the last chunk that is whole.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE)
    sha256 = models.CharField(max_length=SHA256_LENGTH)
    model = models.CharField(max_length=MODEL_LENGTH)
    rows = models.PositiveBigIntegerField()
    next_row = models.PositiveBigIntegerField(default=0)
    created = models.PositiveBigIntegerField(default=0, help_text="People made.")
    updated = models.PositiveBigIntegerField(default=0, help_text="People with a new template.")
    unchanged = models.PositiveBigIntegerField(default=0, help_text="People who had it already.")
    refused = models.PositiveBigIntegerField(default=0, help_text="Rows that can't be used.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gallery", "sha256"], name="one_import_per_file"),
            models.CheckConstraint(condition=Q(next_row__lte=F("rows")), name="import_next_row"),
        ]

    def __str__(self) -> str:
        return f"{self.next_row} of {self.rows} rows into {self.gallery}"
