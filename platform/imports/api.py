"""Import jobs over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

import django_filters
from django.conf import settings
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ReadViewSet
from common.api import problem
from common.errors import Forbidden, TooLarge
from common.idempotency import idempotent
from common.pagination import OldestFirst
from common.parsers import JSONParser
from people.access import galleries_where, gallery_for
from people.models import Role, SeveralFaces

from . import jobs, report, sheet, uploads
from .layouts import KINDS
from .models import ImportItem, ImportJob, ItemState, JobState
from .sources.urls import LONGEST_URL
from .uploads import PIECE

# Addresses that a job may be made with at once; more are sent in pieces.
MOST_URLS = 10_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


# What each kind of source is told by: fields that it needs, and those that it may have.
SOURCE_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "archive": (set(), set()),
    "urls": (set(), {"urls"}),
    "folder": ({"path"}, set()),
    "bucket": ({"bucket"}, {"prefix"}),
}
_ONE_LINE = RegexValidator(
    r"\A[^\x00-\x1f\x7f\ud800-\udfff]+\Z", "A web address is one line of text."
)


class SourceSerializer(serializers.Serializer[Any]):
    """Where the photos are."""

    kind = serializers.ChoiceField(choices=list(SOURCE_FIELDS))
    path = serializers.CharField(
        required=False, help_text="Of a folder on the server, under one of IMPORT_ROOTS."
    )
    bucket = serializers.CharField(required=False)
    prefix = serializers.CharField(required=False, allow_blank=True)
    urls = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_URL, validators=[_ONE_LINE]),
        min_length=1, max_length=MOST_URLS, required=False,
        help_text="Web addresses. Without them the list is sent like an archive, a line each.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Each kind has its own fields. An archive is sent, and has none."""
        wanted, others = SOURCE_FIELDS[attrs["kind"]]
        for name in wanted - set(attrs):
            raise serializers.ValidationError({name: "Say where they are."})
        for name in set(attrs) - wanted - others - {"kind"}:
            raise serializers.ValidationError({name: "This kind of source has none."})
        return attrs


class LayoutSerializer(serializers.Serializer[Any]):
    """How files become people."""

    kind = serializers.ChoiceField(choices=list(KINDS))
    separator = serializers.CharField(required=False, max_length=5)
    manifest = serializers.ChoiceField(
        choices=["inside", jobs.SENT], required=False,
        help_text="Where the table is: in the source, or sent by `PUT /imports/{id}/manifest`.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """In the source is where it is looked for, unless something else is said."""
        if "manifest" in attrs and attrs["kind"] != "manifest":
            raise serializers.ValidationError({"manifest": "This layout has none."})
        sent = attrs.get("manifest") == jobs.SENT
        return attrs if sent else {key: attrs[key] for key in attrs if key != "manifest"}


class ImportRequestSerializer(serializers.Serializer[Any]):
    """A new job."""

    gallery = serializers.UUIDField()
    source = SourceSerializer()  # type: ignore[assignment]
    layout = LayoutSerializer()
    several_faces = serializers.ChoiceField(
        choices=SeveralFaces.choices, required=False, help_text="Overrides the gallery's policy."
    )
    priority = serializers.IntegerField(
        default=0, min_value=-10, max_value=10, help_text="The higher, the sooner."
    )


class ProgressSerializer(serializers.Serializer[Any]):
    """How far a job is."""

    files = serializers.IntegerField(help_text="All of these, but for the next two, add up to it.")
    rate = serializers.FloatField(allow_null=True, help_text="Files a second.")
    seconds_left = serializers.FloatField(allow_null=True)
    waiting = serializers.IntegerField()
    working = serializers.IntegerField()
    enrolled = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    review = serializers.IntegerField()
    rejected = serializers.IntegerField()
    failed = serializers.IntegerField()


class UnderstoodSerializer(serializers.Serializer[Any]):
    """How a file, or a line of the manifest, is understood; `code` says why it can't be used."""

    file = serializers.CharField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    metadata = serializers.DictField(child=serializers.CharField())
    several_faces = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    sentence = serializers.CharField()


class ImportPreviewSerializer(serializers.Serializer[Any]):
    """What an import would do."""

    table = serializers.CharField(
        help_text="How the manifest is written, such as `UTF-8, semicolons`; empty without one."
    )
    columns = serializers.DictField(
        child=serializers.CharField(),
        help_text="What each column of the manifest is taken for: its own name, or `metadata`.",
    )
    rows = UnderstoodSerializer(many=True, help_text="The first files, or lines of the manifest.")
    photos = serializers.IntegerField()
    people = serializers.IntegerField()
    new = serializers.IntegerField(help_text="Of the people: those whom the gallery lacks.")
    compared = serializers.IntegerField(
        help_text="Photos from all parts of the source that were read whole, to be looked for in "
        "the gallery; none of a compressed TAR."
    )
    duplicates = serializers.IntegerField(
        allow_null=True, help_text="Those of them that the gallery has, byte for byte."
    )
    rate = serializers.FloatField(help_text="Photos a second that are expected.")
    is_rate_measured = serializers.BooleanField(
        help_text="Whether the last imports here were so fast; else it is a usual figure."
    )
    seconds = serializers.FloatField(help_text="What the import is expected to take.")


class LossSerializer(serializers.Serializer[Any]):
    """What is wrong with a source as a whole."""

    code = serializers.CharField()
    sentence = serializers.CharField()


class ImportExampleSerializer(LossSerializer):
    """One of the first files, or lines of the manifest, with a code."""

    name = serializers.CharField()


class ImportHeadersSerializer(serializers.Serializer[Any]):
    """What the beginnings of files say. Where not all were judged, those that were are a sample."""

    judged = serializers.IntegerField()
    of = serializers.IntegerField()
    formats = serializers.DictField(child=serializers.IntegerField())
    refused = serializers.DictField(child=serializers.IntegerField())


class ImportPlanSerializer(serializers.Serializer[Any]):
    """What an import would do, in numbers; see `/imports/{id}/preview` for the rest."""

    files = serializers.IntegerField(help_text="`photos`, and all that is `refused`.")
    photos = serializers.IntegerField()
    people = serializers.IntegerField()
    new = serializers.IntegerField(allow_null=True)
    known = serializers.IntegerField(allow_null=True)
    bytes = serializers.IntegerField()
    refused = serializers.DictField(child=serializers.IntegerField(), help_text="By code.")
    ignored = serializers.DictField(
        child=serializers.IntegerField(), help_text="`folder`, `hidden`, `manifest`."
    )
    lines = serializers.DictField(
        child=serializers.IntegerField(), help_text="Of the manifest, that stand for no file."
    )
    examples = ImportExampleSerializer(many=True)
    losses = LossSerializer(many=True)
    twins = serializers.IntegerField(
        help_text="Photos whose names differ from an earlier one's by case or accents only."
    )
    headers = ImportHeadersSerializer()
    duplicates = serializers.IntegerField(allow_null=True, required=False)
    compared = serializers.IntegerField(required=False)
    rate = serializers.FloatField(required=False)
    is_rate_measured = serializers.BooleanField(required=False)
    seconds = serializers.FloatField(allow_null=True)
    took = serializers.FloatField()


class ImportSerializer(serializers.ModelSerializer[ImportJob]):
    """An import job."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    gallery = serializers.UUIDField(source="gallery.public_id", read_only=True)
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    layout = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    plan = serializers.SerializerMethodField()
    ignored = serializers.DictField(
        child=serializers.IntegerField(), read_only=True,
        help_text="Files never meant to be imported.",
    )  # fmt: skip
    losses = LossSerializer(
        many=True, read_only=True, help_text="What the source has and can't give."
    )

    class Meta:
        model = ImportJob
        fields: ClassVar[list[str]] = [
            "id", "gallery", "actor", "state", "source", "layout", "several_faces", "priority",
            "uploaded", "plan", "listed", "ignored", "losses", "code", "text", "progress",
            "created_at", "started_at", "finished_at",
        ]  # fmt: skip

    def get_source(self, job: ImportJob) -> dict[str, str]:
        """Without the place where what was sent lies on the server."""
        hidden = {"path"} if job.source["kind"] in jobs.SENT_KINDS else set()
        return {name: value for name, value in job.source.items() if name not in hidden}

    def get_layout(self, job: ImportJob) -> dict[str, str]:
        """Without the place of a table on the server."""
        shown = {"manifest": "beside"} if job.layout.get("manifest") else {}
        return {**job.layout, **shown} if job.layout.get("manifest") != jobs.SENT else job.layout

    @extend_schema_field(ImportPlanSerializer(allow_null=True))
    def get_plan(self, job: ImportJob) -> dict[str, Any] | None:
        """Without the rows that the preview has: this is asked for every second."""
        plan = job.plan or {}
        return {key: plan[key] for key in plan if key != "understanding"} or None

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, job: ImportJob) -> dict[str, Any]:
        """Counted now; of a list all at once."""
        counted = self.context.get("progress", {})
        progress = counted.get(job.pk) or jobs.progress(job)
        return dict(progress.as_dict())


class ImportItemSerializer(serializers.ModelSerializer[ImportItem]):
    """A file of a job, and what became of it."""

    person = serializers.UUIDField(source="person.public_id", allow_null=True, default=None)
    photo = serializers.UUIDField(source="photo.public_id", allow_null=True, default=None)

    class Meta:
        model = ImportItem
        fields: ClassVar[list[str]] = [
            "number", "line", "name", "size", "external_id", "person_name", "metadata", "state",
            "code", "text", "sha256", "person", "photo", "attempts",
        ]  # fmt: skip


class ImportFilter(django_filters.FilterSet):
    """`?gallery=&state=`."""

    gallery = django_filters.UUIDFilter(field_name="gallery__public_id")
    state = django_filters.ChoiceFilter(choices=JobState.choices)

    class Meta:
        model = ImportJob
        fields: ClassVar[list[str]] = []


class ImportCodeSerializer(serializers.Serializer[Any]):
    """How many files of an import have a state for the same reason."""

    state = serializers.ChoiceField(choices=ItemState.choices)
    code = serializers.CharField()
    text = serializers.CharField(help_text="What is said of one of them.")
    count = serializers.IntegerField()


class ImportSourcesSerializer(serializers.Serializer[Any]):
    """Where this server takes photos from, beside an archive that is sent."""

    folders = serializers.ListField(
        child=serializers.CharField(), help_text="IMPORT_ROOTS: a folder is to lie in one of them."
    )
    urls = serializers.BooleanField()
    most_urls = serializers.IntegerField(help_text="That a job may be made with at once.")
    buckets = serializers.ListField(child=serializers.CharField())
    piece = serializers.IntegerField(help_text="Bytes that are taken at once.")
    most_bytes = serializers.IntegerField(help_text="Of an archive.")


class ImportItemFilter(django_filters.FilterSet):
    """`?state=&code=&external_id=&q=`."""

    state = django_filters.ChoiceFilter(choices=ItemState.choices)
    q = django_filters.CharFilter(
        method="filter_words",
        max_length=300,
        help_text="In the file's path, or in the id or name of whom it shows.",
    )

    class Meta:
        model = ImportItem
        fields: ClassVar[list[str]] = ["code", "external_id"]

    def filter_words(
        self, queryset: QuerySet[ImportItem], name: str, value: str
    ) -> QuerySet[ImportItem]:
        """Those that have it in them, in whatever case."""
        return queryset.filter(
            Q(name__icontains=value)
            | Q(external_id__icontains=value)
            | Q(person_name__icontains=value)
        )


class SheetQuerySerializer(serializers.Serializer[Any]):
    """Which part of the sheet."""

    code = serializers.CharField(default="", allow_blank=True, max_length=40)
    after = serializers.IntegerField(default=0, min_value=0, max_value=2**63 - 1)
    limit = serializers.IntegerField(default=sheet.PAGE, min_value=1, max_value=sheet.MOST)


class PageRenderer(JSONRenderer):
    """So that whoever asks for HTML alone is not refused; the page is rendered elsewhere.

    What is wrong is told as everywhere: as problem details.
    """

    media_type, format, charset = "text/html", "html", "utf-8"


class PieceParser(BaseParser):
    """A piece of something larger: bytes."""

    media_type = "application/octet-stream"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The whole piece. Raises TooLarge."""
        data: bytes = stream.read(PIECE + 1)
        if len(data) > PIECE:
            _too_large()
        return data


class AnyBytesParser(PieceParser):
    """The same, whatever its sender calls it: its bytes say what it is."""

    media_type = "*/*"


def _too_large() -> NoReturn:
    raise TooLarge(f"A piece has at most {PIECE} bytes. Send smaller ones.")


_OFFSET = serializers.IntegerField(
    min_value=0, error_messages={"null": "Say at which byte this piece begins, as in ?offset=0."}
)


def _piece(request: Request, default: int | None = None) -> tuple[int, bytes]:
    """Where it goes, and the bytes."""
    asked = request.query_params.get("offset", default)
    try:
        offset = _OFFSET.run_validation(asked)
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"offset": error.detail}) from error
    return offset, request.data if isinstance(request.data, bytes) else b""


STATE = {409: problem("`import_state`")}


@extend_schema_view(
    list=extend_schema(summary="List imports"),
    retrieve=extend_schema(summary="Show an import, and how far it is"),
)
class ImportViewSet(ReadViewSet[ImportJob]):
    """Imports: many photos in one job that survives what happens meanwhile."""

    queryset = ImportJob.objects.none()
    serializer_class = ImportSerializer
    filterset_class = ImportFilter
    parser_classes = [JSONParser, PieceParser]
    _counted: Mapping[int, jobs.Progress] = MappingProxyType({})

    def get_queryset(self) -> QuerySet[ImportJob]:
        """Those of the galleries where the caller enrols people."""
        return jobs.visible_jobs(self.actor)

    def paginate_queryset(self, queryset: Any) -> Any:
        """Of a page's jobs the files are counted at once."""
        page = super().paginate_queryset(queryset)
        self._counted = jobs.progress_of(page or [])
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        """With what was counted."""
        return {**super().get_serializer_context(), "progress": self._counted}

    @extend_schema(
        operation_id="imports_sources",
        summary="Show where this server takes photos from",
        responses={200: ImportSourcesSerializer, 403: problem("`forbidden`")},
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def sources(self, request: Request) -> Response:
        """For whoever enrols people in a gallery."""
        if not galleries_where(self.actor, Role.OPERATOR).exists():
            raise Forbidden("Imports are for operators of a gallery.")
        return Response(
            {
                "folders": [str(root) for root in settings.IMPORT_ROOTS],
                "urls": settings.IMPORT_URLS,
                "most_urls": MOST_URLS,
                "buckets": list(settings.IMPORT_BUCKETS),
                "piece": PIECE,
                "most_bytes": settings.IMPORT_MAX_BYTES,
            }
        )

    @extend_schema(
        summary="Make an import",
        description="Of a folder, a bucket or a few web addresses it is planned next. An archive, "
        "or a long list of addresses, is sent in pieces: `PUT /imports/{id}/archive`, and with "
        '`"manifest": "sent"` a table beside it: `PUT /imports/{id}/manifest`; then `POST '
        "/imports/{id}/uploaded`.",
        request=ImportRequestSerializer,
        responses={201: ImportSerializer, 403: problem("`source_not_allowed`, `role_needed`")},
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Nothing is imported before it is started."""
        serializer = ImportRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        gallery = gallery_for(self.actor, fields.pop("gallery"), Role.OPERATOR)
        source, layout = dict(fields.pop("source")), dict(fields.pop("layout"))
        urls = source.pop("urls", None)
        if urls is None:
            job = jobs.make_job(self.actor, gallery, source, layout, **fields)
        else:
            job = uploads.make_job_of_urls(self.actor, gallery, urls, layout, **fields)
        return Response(ImportSerializer(job).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Send a piece of an archive, or of a list of web addresses",
        description=f"At most {PIECE} bytes, added at `offset`. After a broken connection the "
        "job's `uploaded` says where to go on.",
        parameters=[OpenApiParameter("offset", int, required=True)],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={
            200: ImportSerializer,
            409: problem("`wrong_offset`, `import_state`"),
            413: problem("`too_large`"),
            507: problem("`storage_full`"),
        },
        filters=False,
    )
    @action(detail=True, methods=["put"])
    def archive(self, request: Request, **kwargs: Any) -> Response:
        """Appended, and on the disk when it is answered."""
        offset, data = _piece(request)
        return self._shown(uploads.append(self.actor, self._job(), offset, data))

    @extend_schema(
        summary="Send the table that says who is on which photo: CSV or XLSX",
        description=f'For a layout with `"manifest": "sent"`. At most {PIECE} bytes at once; '
        "more of it at its `offset`. The piece at 0 begins it anew. If the plan fails for it, "
        "send another one and say `uploaded` again.",
        parameters=[OpenApiParameter("offset", int, default=0)],
        request={"text/csv": OpenApiTypes.BINARY, XLSX: OpenApiTypes.BINARY},
        responses={
            200: ImportSerializer,
            409: problem("`wrong_offset`, `import_state`"),
            413: problem("`too_large`"),
            507: problem("`storage_full`"),
        },
        filters=False,
    )
    @action(detail=True, methods=["put"], parser_classes=[AnyBytesParser])
    def manifest(self, request: Request, **kwargs: Any) -> Response:
        """Kept beside the archive, and on the disk when it is answered."""
        offset, data = _piece(request, default=0)
        return self._shown(uploads.append_manifest(self.actor, self._job(), offset, data))

    @extend_schema(
        summary="Say that all was sent", request=None,
        responses={200: ImportSerializer, 422: problem("`empty_file`"), **STATE},
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def uploaded(self, request: Request, **kwargs: Any) -> Response:
        """It is planned next."""
        return self._shown(uploads.complete(self.actor, self._job()))

    @extend_schema(
        summary="Show how a planned import understands its source",
        responses={200: ImportPreviewSerializer, **STATE},
        filters=False,
    )
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, **kwargs: Any) -> Response:
        """As the plan found it: nothing is read again."""
        return Response(ImportPreviewSerializer(jobs.preview(self._job())).data)

    @extend_schema(
        summary="Start a planned import", request=None, responses={200: ImportSerializer, **STATE}
    )
    @action(detail=True, methods=["post"])
    def start(self, request: Request, **kwargs: Any) -> Response:
        """Go."""
        return self._changed("start")

    @extend_schema(
        summary="Pause an import", request=None, responses={200: ImportSerializer, **STATE}
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, **kwargs: Any) -> Response:
        """Within a chunk."""
        return self._changed("pause")

    @extend_schema(
        summary="Go on with a paused or cancelled import", request=None,
        responses={200: ImportSerializer, **STATE},
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, **kwargs: Any) -> Response:
        """From where it was."""
        return self._changed("resume")

    @extend_schema(
        summary="Cancel an import: what is done stays", request=None,
        responses={200: ImportSerializer, **STATE},
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Within a chunk."""
        return self._changed("cancel")

    @extend_schema(
        summary="Undo an import: what it added goes, and only that", request=None,
        responses={200: ImportSerializer, **STATE},
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, **kwargs: Any) -> Response:
        """For administrators of the gallery."""
        return self._changed("undo")

    @extend_schema(
        summary="Try the failed files once more", request=None,
        responses={200: ImportSerializer, **STATE},
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, **kwargs: Any) -> Response:
        """Those that failed three times."""
        jobs.retry_failed(self.actor, self._job())
        return self._shown(self._job())

    @extend_schema(
        operation_id="imports_codes",
        summary="Count an import's files by state and code",
        responses=ImportCodeSerializer(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def codes(self, request: Request, **kwargs: Any) -> Response:
        """Those of most files first."""
        return Response(ImportCodeSerializer(jobs.codes(self._job()), many=True).data)

    @extend_schema(
        summary="Export what became of each file: CSV, or XLSX with `?as=xlsx`",
        parameters=[OpenApiParameter("as", str, enum=["csv", "xlsx"])],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, XLSX): OpenApiTypes.BINARY},
        filters=False,
    )
    @action(detail=True, methods=["get"])
    def report(self, request: Request, **kwargs: Any) -> HttpResponse | StreamingHttpResponse:
        """A row for each file; no cell is a formula."""
        job = self._job()
        answer: HttpResponse | StreamingHttpResponse
        if request.query_params.get("as") == "xlsx":
            answer, name = HttpResponse(report.as_xlsx(job), content_type=XLSX), "import.xlsx"
        else:
            content_type = "text/csv; charset=utf-8"
            answer = StreamingHttpResponse(report.as_csv(job), content_type=content_type)
            name = "import.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    @extend_schema(
        summary="Show the files that were not taken, as a page with small pictures",
        description="HTML that needs nothing else: to look at, to keep or to print. A file that "
        "was never stored has no picture.",
        parameters=[
            OpenApiParameter("code", str, description="Files with this one only."),
            OpenApiParameter("after", int, default=0, description="As a page's last link has it."),
            OpenApiParameter("limit", int, default=sheet.PAGE, description=f"1 to {sheet.MOST}."),
        ],
        responses={(200, "text/html"): OpenApiTypes.STR},
        filters=False,
    )
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, PageRenderer])
    def sheet(self, request: Request, **kwargs: Any) -> HttpResponse:
        """Names are escaped, pictures encoded again; the page may run and load nothing."""
        asked = SheetQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        page = sheet.as_html(self._job(), **asked.validated_data)
        return HttpResponse(page, headers=sheet.HEADERS)

    def _job(self) -> ImportJob:
        return jobs.job_for(self.actor, self.kwargs["id"])

    def _changed(self, step: str) -> Response:
        return self._shown(jobs.change(self.actor, self._job(), step))

    def _shown(self, job: ImportJob) -> Response:
        return Response(ImportSerializer(job).data)


@extend_schema_view(
    list=extend_schema(
        operation_id="imports_items_list", tags=["imports"],
        summary="List the files of an import, and what became of each",
    )
)  # fmt: skip
class ImportItemViewSet(ReadViewSet[ImportItem]):
    """What became of each file of an import."""

    queryset = ImportItem.objects.none()
    serializer_class = ImportItemSerializer
    filterset_class = ImportItemFilter
    pagination_class = OldestFirst

    def get_queryset(self) -> QuerySet[ImportItem]:
        """Those of one job."""
        if getattr(self, "swagger_fake_view", False):
            return ImportItem.objects.none()
        job = jobs.job_for(self.actor, self.kwargs["id"])
        return job.items.select_related("person", "photo")
