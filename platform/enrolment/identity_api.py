"""Who turned out to be whom, over HTTP."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from common.api import MetadataField, problem
from common.errors import NotFound
from common.idempotency import idempotent
from people.models import Person, Role
from people.selectors import person_for, visible_people

from . import identities, selectors
from .models import IdentityChange
from .review_api import ReasonSerializer

PAIRS = {
    409: problem("`merged`, `held`, `kept_apart`"),
    422: problem("`same_person`, `other_gallery`"),
}


class OtherPersonSerializer(ReasonSerializer):
    """The other of two people."""

    person = serializers.UUIDField()


class SplitSerializer(ReasonSerializer):
    """Photos of somebody else, and who that is."""

    photos = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1_000)
    name = serializers.CharField(max_length=300, required=False, allow_blank=True)
    external_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    metadata = MetadataField(required=False)


class IdentityChangeSerializer(serializers.ModelSerializer[IdentityChange]):
    """What was found out of two people, and whether it still stands."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    person = serializers.UUIDField(source="person.public_id")
    other = serializers.UUIDField(source="other.public_id")
    review = serializers.UUIDField(source="review.public_id", allow_null=True, default=None)
    photos = serializers.ListField(
        child=serializers.UUIDField(), source="moved", help_text="Those that changed hands."
    )

    class Meta:
        model = IdentityChange
        fields: ClassVar[list[str]] = [
            "id", "kind", "person", "other", "review", "actor", "reason", "photos", "created_at",
            "undone_at", "undone_by", "undone_because",
        ]  # fmt: skip


class IdentityMixin(ActorMixin):
    """What the view of people has on who is whom."""

    @extend_schema(
        summary="Merge: the other is the same person as this one",
        description="This one gets the other's photos; the other is found no more. It can be "
        "undone. For reviewers.",
        request=OtherPersonSerializer,
        responses={201: IdentityChangeSerializer, **PAIRS},
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def merge(self, request: Request, **kwargs: Any) -> Response:
        """`person` is merged into the one addressed."""
        return self._paired(request, identities.merge)

    @extend_schema(
        summary="Keep apart: the other is somebody else, however alike",
        request=OtherPersonSerializer,
        responses={201: IdentityChangeSerializer, **PAIRS},
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def apart(self, request: Request, **kwargs: Any) -> Response:
        """Neither is taken for the other's duplicate from now on."""
        return self._paired(request, identities.keep_apart)

    @extend_schema(
        summary="Split: some photos are of somebody else, who becomes a person of their own",
        request=SplitSerializer,
        responses={
            201: IdentityChangeSerializer,
            409: problem("`merged`, `external_id_taken`"),
            422: problem("`nothing_to_split`"),
        },
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def split(self, request: Request, **kwargs: Any) -> Response:
        """The two are kept apart from then on."""
        serializer = SplitSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        change = identities.split(self.actor, self._of(Role.REVIEWER), **fields)
        return _created(change)

    @extend_schema(
        summary="What was found out of a person: merges, splits, who they are not",
        responses=IdentityChangeSerializer(many=True),
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def changes(self, request: Request, **kwargs: Any) -> Response:
        """The newest first, undone ones among them."""
        found = selectors.changes_of(self._of(Role.VIEWER))
        return Response(IdentityChangeSerializer(found, many=True).data)

    def _paired(self, request: Request, act: Any) -> Response:
        serializer = OtherPersonSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        other = person_for(self.actor, fields["person"], Role.REVIEWER)
        return _created(act(self.actor, self._of(Role.REVIEWER), other, reason=fields["reason"]))

    def _of(self, role: Role) -> Person:
        return person_for(self.actor, self.kwargs["id"], role)


class UndoChangeView(ActorMixin):
    """Taking a merge, a split or a keeping apart back."""

    @extend_schema(
        operation_id="changes_undo",
        tags=["people"],
        summary="Undo a merge, a split, or a keeping apart",
        request=ReasonSerializer,
        responses={
            200: IdentityChangeSerializer,
            409: problem("`undone`, `merged`, `decided_by_review`"),
        },
    )
    def post(self, request: Request, id: Any) -> Response:  # noqa: A002 - the address's name
        """Photos, templates and index are as if it had not been."""
        serializer = ReasonSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changes = IdentityChange.objects.select_related("gallery", "review", "person", "other")
        change = changes.filter(public_id=id, person__in=visible_people(self.actor)).first()
        if change is None:
            raise NotFound("change")
        undone = identities.undo(self.actor, change, reason=serializer.validated_data["reason"])
        return Response(IdentityChangeSerializer(undone).data)


def _created(change: IdentityChange) -> Response:
    return Response(IdentityChangeSerializer(change).data, status=status.HTTP_201_CREATED)
