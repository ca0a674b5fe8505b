"""Batches over HTTP: many photos to look up, answered when they are done."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from common.api import ProblemSerializer, problem
from common.idempotency import idempotent
from people.access import galleries_for
from people.models import Role

from .answers import with_names
from .api import IdentificationSerializer, LookupOptionsSerializer
from .batches import batch_for, forget, keep, take
from .models import Batch, BatchItem, BatchItemState, BatchState
from .services import Probes

MOST = settings.MAX_FILES_PER_UPLOAD
PAGE = 25


class IdentifyBatchRequestSerializer(LookupOptionsSerializer):
    """Photos, and where to search."""

    photos = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), min_length=1, max_length=MOST
    )


class PartSerializer(serializers.Serializer[Any]):
    """Which of the photos to show."""

    first = serializers.IntegerField(
        default=0, min_value=0, max_value=MOST, help_text="The index of the first."
    )
    limit = serializers.IntegerField(
        default=PAGE, min_value=0, max_value=MOST, help_text="How many at most; 0: counts alone."
    )


class BatchCountsSerializer(serializers.Serializer[Any]):
    """Photos by state."""

    waiting = serializers.IntegerField()
    working = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()


class BatchItemSerializer(serializers.Serializer[Any]):
    """A photo of a batch."""

    index = serializers.IntegerField(help_text="Its place among the files sent.")
    state = serializers.ChoiceField(choices=BatchItemState.choices)
    answer = IdentificationSerializer(
        required=False, help_text="Of a photo that is done: what `/identify` answers."
    )
    problem = ProblemSerializer(required=False, help_text="Of one that failed.")


class IdentifyBatchSerializer(serializers.Serializer[Any]):
    """A batch: how far it is, and its photos in the order of the files."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=BatchState.choices)
    counts = BatchCountsSerializer()
    items = BatchItemSerializer(many=True)
    next = serializers.IntegerField(
        allow_null=True, help_text="`first` of the next part; null after the last photo."
    )


class BatchesView(ActorMixin):
    """Sending one."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="identify_batch",
        tags=["identify"],
        summary="Look up the faces of many photos, answered later",
        description="Each file gets its own entry; a bad one stops no other. Ask for the batch "
        "until its `state` is `done`.",
        request={"multipart/form-data": IdentifyBatchRequestSerializer},
        responses={
            202: IdentifyBatchSerializer,
            400: problem("`invalid`, `malformed`, `several_models`, `too_many_files`"),
            413: problem("`too_large`: one of them, or all together"),
            422: problem("`reason_required`"),
        },
    )
    @idempotent
    def post(self, request: Request) -> Callable[[], Response]:
        """Take them. Sent again, they are not taken twice."""
        serializer = IdentifyBatchRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        galleries = galleries_for(self.actor, fields["galleries"], Role.VIEWER)
        taken = take(
            self.actor,
            galleries,
            (upload.read() for upload in fields["photos"]),
            top_k=fields["top_k"],
            faces=Probes(fields["faces"]),
            any_quality=fields["any_quality"],
            among=fields.get("people"),
            reason=fields["reason"],
        )

        def store() -> Response:
            batch = keep(self.actor, galleries, taken)
            return Response(_shown(batch, 0, MOST), status=status.HTTP_202_ACCEPTED)

        return store


class BatchView(ActorMixin):
    """One that was sent."""

    @extend_schema(
        operation_id="identify_batch_retrieve",
        tags=["identify"],
        summary="Show a batch, and what came of its photos",
        description="Yours alone. Its answers are forgotten a day after the last of them; people "
        "who were erased or deactivated meanwhile are left out.",
        parameters=[PartSerializer],
        responses={200: IdentifyBatchSerializer},
    )
    def get(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address says so
        """State, counts, and a part of the photos."""
        part = PartSerializer(data=request.query_params)
        part.is_valid(raise_exception=True)
        return Response(_shown(batch_for(self.actor, id), **part.validated_data))

    @extend_schema(
        operation_id="identify_batch_destroy",
        tags=["identify"],
        summary="Cancel or forget a batch",
        description="Its photos and answers are deleted; the search log keeps its entries.",
        responses={204: OpenApiResponse()},
    )
    def delete(self, request: Request, id: UUID) -> Response:  # noqa: A002
        """What was not looked up never is."""
        forget(self.actor, id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _shown(batch: Batch, first: int, limit: int) -> dict[str, Any]:
    found = dict(batch.items.order_by().values_list("state").annotate(count=Count("pk")))
    counts = {state: found.get(state, 0) for state in BatchItemState.values}
    items = list(batch.items.filter(index__gte=first).order_by("index")[:limit])
    end = first + limit
    return {
        "id": str(batch.public_id),
        "created_at": batch.created_at,
        "state": _state(counts),
        "counts": counts,
        "items": _items(batch, items),
        "next": end if limit and end < sum(counts.values()) else None,
    }


def _state(counts: dict[str, int]) -> str:
    if not counts[BatchItemState.WAITING] + counts[BatchItemState.WORKING]:
        return BatchState.DONE.value
    begun = counts[BatchItemState.WORKING] + counts[BatchItemState.DONE]
    return (BatchState.WORKING if begun else BatchState.WAITING).value


def _items(batch: Batch, items: list[BatchItem]) -> list[dict[str, Any]]:
    answers = iter(with_names([each.answer for each in items if each.answer], batch.galleries))
    return [_item(each, next(answers) if each.answer else None) for each in items]


def _item(item: BatchItem, answer: dict[str, Any] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": item.index, "state": item.state}
    if answer is not None:
        shown["answer"] = answer
    if item.problem is not None:
        shown["problem"] = item.problem
    return shown
