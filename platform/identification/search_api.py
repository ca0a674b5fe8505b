"""The log of searches over HTTP: who looked for whom, why, and what it was told."""

from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import actor_of
from accounts.api import ActorMixin, ReadViewSet
from common.api import UPLOAD_PROBLEMS, BoxSerializer, problem
from common.cells import csv_response
from common.errors import NotFound
from people.audit_log import names_of
from people.models import Person
from photos.api import JPEG, jpeg_response
from reviews.models import Review, State, Verdict
from thresholds.deciding import Decision

from .answers import person_figures
from .api import CandidatePersonSerializer, LimitsSerializer
from .asking import ask_reviewers
from .models import REASON_LENGTH, Search
from .probes import kept_face
from .searches import visible_searches
from .selectors import named


class SearchedCandidateSerializer(serializers.Serializer[Any]):
    """Who it may have been."""

    person = serializers.UUIDField(help_text="Their id; their name stands in `people`.")
    score = serializers.FloatField()
    stranger_rate = serializers.FloatField(allow_null=True)


class SearchedFaceSerializer(serializers.Serializer[Any]):
    """A face that was looked up, and what came of it."""

    box = BoxSerializer()
    quality = serializers.FloatField()
    decision = serializers.ChoiceField(choices=[each.value for each in Decision], allow_null=True)
    candidates = SearchedCandidateSerializer(many=True)


class SearchSerializer(serializers.ModelSerializer[Search]):
    """An entry of the search log."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    actor_name = serializers.SerializerMethodField(
        help_text="What the user or the key is called now; null of others."
    )
    galleries = serializers.SerializerMethodField()
    thresholds = LimitsSerializer(allow_null=True)
    faces = serializers.SerializerMethodField()
    people = serializers.SerializerMethodField(
        help_text="The candidates who are still there, as they are now."
    )

    class Meta:
        model = Search
        fields: ClassVar[list[str]] = [
            "id", "created_at", "actor", "actor_name", "reason", "probe", "galleries", "among",
            "model", "searched", "thresholds", "faces", "people",
        ]  # fmt: skip

    def get_actor_name(self, search: Search) -> str | None:
        """If it is known."""
        if "names" not in self.context:
            self.context["names"] = names_of(each.actor for each in self._shown())
        names: dict[str, str] = self.context["names"]
        return names.get(search.actor)

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_galleries(self, search: Search) -> list[str]:
        """Their ids."""
        return [str(each.public_id) for each in search.galleries.all()]

    @extend_schema_field(SearchedFaceSerializer(many=True))
    def get_faces(self, search: Search) -> Any:
        """As they were logged."""
        return search.faces

    @extend_schema_field(CandidatePersonSerializer(many=True))
    def get_people(self, search: Search) -> Any:
        """The log holds no names."""
        known = self._known()
        return [person_figures(known[each]) for each in _candidates(search) if each in known]

    def _known(self) -> dict[str, Person]:
        """Of all entries that are shown together, with one question to the database."""
        if "known" not in self.context:
            shown = self._shown()
            people = {each for search in shown for each in _candidates(search)}
            galleries = {each for search in shown for each in self.get_galleries(search)}
            self.context["known"] = named(people, sorted(galleries))
        known: dict[str, Person] = self.context["known"]
        return known

    def _shown(self) -> list[Search]:
        """All entries of the answer."""
        listed = self.instance if self.parent is None else self.parent.instance
        return [listed] if isinstance(listed, Search) else list(listed or [])


class SearchReviewSerializer(serializers.Serializer[Any]):
    """What became of a doubtful face that was queued for reviewers."""

    id = serializers.UUIDField(source="public_id", help_text="See `/reviews`.")
    face = serializers.IntegerField(source="face_number", help_text="Among `faces`, from 0.")
    state = serializers.ChoiceField(choices=State.choices)
    verdict = serializers.ChoiceField(choices=Verdict.choices, allow_blank=True)
    person = serializers.UUIDField(source="chosen.public_id", allow_null=True, default=None)


class SearchDetailSerializer(SearchSerializer):
    """An entry of the search log, and what reviewers made of it."""

    reviews = serializers.SerializerMethodField()
    kept = serializers.SerializerMethodField(
        help_text="The faces of which there still is a picture, by their place from 0."
    )

    class Meta(SearchSerializer.Meta):
        fields: ClassVar[list[str]] = [*SearchSerializer.Meta.fields, "reviews", "kept"]

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_kept(self, search: Search) -> list[int]:
        """By the policy, or for a reviewer."""
        return list(search.probes.order_by("number").values_list("number", flat=True))

    @extend_schema_field(SearchReviewSerializer(many=True))
    def get_reviews(self, search: Search) -> Any:
        """Of each face that was queued."""
        found = Review.objects.filter(search=search.public_id).select_related("chosen")
        return SearchReviewSerializer(found.order_by("face_number", "pk"), many=True).data


def _candidates(search: Search) -> list[str]:
    """The ids of all candidates, each once."""
    found = [each["person"] for face in search.faces for each in face["candidates"]]
    return list(dict.fromkeys(found))


class SearchFilter(django_filters.FilterSet):
    """`?gallery=&mine=&actor=&reason=&probe=&decision=&person=&after=&before=`."""

    mine = django_filters.BooleanFilter(
        method="filter_mine", help_text="Whether you looked it up yourself."
    )
    gallery = django_filters.UUIDFilter(field_name="galleries__public_id")
    decision = django_filters.ChoiceFilter(
        choices=[(each.value, each.value) for each in Decision],
        method="filter_decision",
        help_text="Of any of its faces.",
    )
    person = django_filters.UUIDFilter(
        method="filter_person", help_text="Among the candidates of any of its faces."
    )
    reason = django_filters.CharFilter(lookup_expr="icontains", max_length=REASON_LENGTH)
    after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Search
        fields: ClassVar[list[str]] = ["actor", "probe"]

    def filter_mine(
        self,
        queryset: QuerySet[Search],
        name: str,
        value: bool,  # noqa: FBT001 - as the library calls it
    ) -> QuerySet[Search]:
        """One's own, or those of others."""
        own = Q(actor=str(actor_of(self.request.user)))
        return queryset.filter(own if value else ~own)

    def filter_decision(
        self, queryset: QuerySet[Search], name: str, value: str
    ) -> QuerySet[Search]:
        """Those in which a face has this decision."""
        return _with_text(queryset, f'"decision": "{Decision(value).value}"')

    def filter_person(self, queryset: QuerySet[Search], name: str, value: UUID) -> QuerySet[Search]:
        """Those that found somebody."""
        return _with_text(queryset, f'"person": "{value}"')


def _with_text(searches: QuerySet[Search], member: str) -> QuerySet[Search]:
    """Searches whose faces have this member. Both databases write JSON with a space in it.

    As a text, since SQLite can't look into a list of objects.
    """
    return searches.annotate(faces_text=Cast("faces", TextField())).filter(
        faces_text__contains=member
    )


EXPORTED = (
    "search", "at", "actor", "reason", "galleries", "among", "probe", "searched", "tier", "match",
    "review", "face", "decision", "person", "score", "stranger_rate",
)  # fmt: skip


@extend_schema_view(
    list=extend_schema(summary="List searches: your own, or all as a reviewer"),
    retrieve=extend_schema(
        summary="Show a search, and what reviewers made of it", responses=SearchDetailSerializer
    ),
)
class SearchViewSet(ReadViewSet[Search]):
    """The log of lookups: who looked for whom, why, and what it was told."""

    queryset = Search.objects.none()
    serializer_class = SearchSerializer
    filterset_class = SearchFilter

    def get_serializer_class(self) -> type[SearchSerializer]:
        """One alone comes with its reviews."""
        return SearchDetailSerializer if self.action == "retrieve" else SearchSerializer

    def get_queryset(self) -> QuerySet[Search]:
        """Those that the caller may see, the newest first."""
        return visible_searches(self.actor).order_by("-created_at", "-id")

    @extend_schema(
        summary="Export searches as CSV: a row for each face",
        responses={(200, "text/csv"): OpenApiTypes.STR},
        filters=True,
    )
    @action(detail=False, url_path="export", pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:
        """With the filters of the list."""
        found = self.filter_queryset(self.get_queryset())
        return csv_response("searches.csv", EXPORTED, _rows(found))


@extend_schema_view(
    get=extend_schema(
        operation_id="searches_probe",
        tags=["searches"],
        summary="A face that was looked up: a JPEG, where the gallery keeps it",
        responses=JPEG,
    )
)
class SearchProbeView(ActorMixin):
    """Faces that `keep_probe_days`, or a review, keeps."""

    def get(self, request: Request, id: UUID, number: int) -> HttpResponse:  # noqa: A002
        """By its place among the faces, from 0."""
        search = visible_searches(self.actor).filter(public_id=id).first()
        jpeg = kept_face(search.public_id, number) if search else None
        if jpeg is None:
            raise NotFound("face of a search that is still kept")
        return jpeg_response(jpeg)


class AskReviewersSerializer(serializers.Serializer[Any]):
    """The photo again, unless its face is kept."""

    photo = serializers.FileField(required=False, allow_empty_file=True)


class SearchReviewView(ActorMixin):
    """What the machine has decided, put before people."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="searches_review",
        tags=["searches"],
        summary="Put a face that was looked up before the reviewers",
        request={"multipart/form-data": AskReviewersSerializer},
        responses={
            200: SearchReviewSerializer,
            **UPLOAD_PROBLEMS,
            409: problem("`review_state`: it was decided; `changed`: try again"),
            422: problem(
                "`no_candidates`, `not_calibrated`, `photo_required`, `another_photo`; "
                "`undecodable`, `too_many_pixels`, `bad_dimensions`"
            ),
        },
    )
    def post(self, request: Request, id: UUID, number: int) -> Response:  # noqa: A002
        """For operators. A face that waits for reviewers already keeps its review."""
        serializer = AskReviewersSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        photo = serializer.validated_data.get("photo")
        search = visible_searches(self.actor).filter(public_id=id).first()
        if search is None:
            raise NotFound("search")
        review = ask_reviewers(self.actor, search, number, photo.read() if photo else None)
        return Response(SearchReviewSerializer(review).data)


def _rows(searches: QuerySet[Search]) -> Iterator[list[Any]]:
    for search in searches.iterator(chunk_size=500):
        for number, face in enumerate(search.faces or [{}]):
            yield _cells(search, number, face)


def _cells(search: Search, number: int, face: dict[str, Any]) -> list[Any]:
    asked: dict[str, Any] = search.thresholds or {}
    best: dict[str, Any] = next(iter(face.get("candidates", [])), {})
    galleries = " ".join(str(each.public_id) for each in search.galleries.all())
    return [
        search.public_id, search.created_at.isoformat(), search.actor, search.reason, galleries,
        search.among, search.probe, search.searched,
        *(asked.get(name) for name in ("tier", "match", "review")),
        number if face else None, face.get("decision"),
        *(best.get(name) for name in ("person", "score", "stranger_rate")),
    ]  # fmt: skip
