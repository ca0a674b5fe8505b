"""A gallery's index over HTTP, to read. Rebuilding is for whoever runs the installation."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from people.access import gallery_for
from people.models import Role

from .status import index_status


class OtherIndexSerializer(serializers.Serializer[Any]):
    """An index that also holds the gallery: one being built, or an older one kept."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["building", "ready"])
    model = serializers.CharField()
    index_type = serializers.CharField()
    takes_over = serializers.BooleanField(
        help_text="Whether lookups will use it as soon as it is complete."
    )
    stage = serializers.CharField(
        help_text="What happens with it: `filling`, `verifying`, `indexing`, `ready` and so on."
    )
    progress = serializers.FloatField(help_text="How much of this stage is done, 0 to 1.")
    verified = serializers.BooleanField(help_text="Whether it was found complete.")
    problem = serializers.CharField(help_text="Why it can't take over; empty if nothing is wrong.")
    created_at = serializers.DateTimeField()


class IndexSerializer(serializers.Serializer[Any]):
    """The index that lookups in a gallery use."""

    state = serializers.ChoiceField(
        choices=["none", "building", "ready"],
        help_text="`none`: the first enrolment or lookup makes it. While it is being built, "
        "lookups answer 503.",
    )
    model = serializers.CharField()
    index_type = serializers.CharField(help_text="`FLAT` is exact; empty if there is none yet.")
    templates = serializers.IntegerField(help_text="Active people with a template: its entries.")
    pending = serializers.IntegerField(
        help_text="Changes not yet in the index, which other galleries may share."
    )
    spans = serializers.IntegerField(
        help_text="Ranges of templates still to be written, of a load or a rebuild; of all "
        "galleries that share the index."
    )
    lag_seconds = serializers.FloatField(help_text="Age of the oldest of both; 0 if there is none.")
    recall = serializers.FloatField(
        allow_null=True,
        help_text="Share of probes for which the index finds the best match that an exact search "
        "finds; null if not measured yet.",
    )
    width = serializers.IntegerField(
        allow_null=True, help_text="How far a search looks (ef, nprobe); null for an exact index."
    )
    probes = serializers.IntegerField(allow_null=True, help_text="Measured with so many.")
    probes_of = serializers.ChoiceField(
        choices=["", "faces", "templates"],
        help_text="Made of photos' faces, or of people's templates with noise.",
    )
    measured_at = serializers.DateTimeField(allow_null=True)
    others = OtherIndexSerializer(many=True)


class GalleryIndexView(ActorMixin):
    """How a gallery's index is."""

    @extend_schema(
        operation_id="galleries_index_retrieve", tags=["galleries"],
        summary="Show the state of a gallery's index", responses=IndexSerializer,
    )  # fmt: skip
    def get(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address's name
        """Whether it is complete, how far behind, and how much it finds."""
        gallery = gallery_for(self.actor, id, Role.VIEWER)
        return Response(IndexSerializer(index_status(gallery)).data)
