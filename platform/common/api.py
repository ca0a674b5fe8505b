"""Pieces that the API's serializers share."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema_field
from rest_framework import serializers

MAX_METADATA_BYTES = 16_384
MAX_METADATA_DEPTH = 20
# What PostgreSQL cannot keep in JSON.
_FORBIDDEN = re.compile("[\\x00\\ud800-\\udfff]")


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457). `code` is stable; `detail` is a sentence for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(required=False)  # type: ignore[assignment]
    request_id = serializers.CharField(
        required=False, help_text="Of errors from 500 on: what finds it in the server's log."
    )


def problem(description: str) -> OpenApiResponse:
    """An error in the API's description."""
    return OpenApiResponse(ProblemSerializer, description=description)


UPLOAD_PROBLEMS = {
    400: problem("`empty_file`, `malformed`, `invalid`"),
    413: problem("`too_large`"),
    415: problem("`unsupported_format`"),
    422: problem("`undecodable`, `too_many_pixels`, `bad_dimensions`"),
}


class BoxSerializer(serializers.Serializer[Any]):
    """A rectangle in pixels of the upright photo; (x, y) is its top left corner."""

    x = serializers.FloatField()
    y = serializers.FloatField()
    width = serializers.FloatField()
    height = serializers.FloatField()


@extend_schema_field(
    {"type": "string", "description": "`x,y,width,height` in pixels of the upright photo"}
)
class BoxField(serializers.Field[Any, Any, Any, Any]):
    """A box as `x,y,width,height` in pixels: what fits into a form."""

    default_error_messages = {
        "box": "Write a box as x,y,width,height in pixels, width and height above 0."
    }

    def to_internal_value(self, data: Any) -> dict[str, float]:
        """The box as a dictionary of numbers."""
        try:
            numbers = [float(part) for part in str(data).split(",")]
            x, y, width, height = numbers
        except ValueError:
            self.fail("box")
        if not all(map(math.isfinite, numbers)) or width <= 0 or height <= 0:
            self.fail("box")
        return {"x": x, "y": y, "width": width, "height": height}

    def to_representation(self, value: Any) -> Any:
        """As it is stored."""
        return value


@extend_schema_field({"type": "object", "additionalProperties": True})
class MetadataField(serializers.JSONField):
    """A JSON object of the integrator's own, up to 16 KB."""

    default_error_messages = {
        "object": "Metadata is a JSON object.",
        "long": f"Metadata takes at most {MAX_METADATA_BYTES} bytes.",
        "deep": f"Metadata nests at most {MAX_METADATA_DEPTH} levels.",
        "characters": "Metadata may contain neither U+0000 nor half a surrogate pair.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The object, if it is one that every database can keep."""
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            self.fail("object")
        if _depth(value) > MAX_METADATA_DEPTH:
            self.fail("deep")
        if len(json.dumps(value)) > MAX_METADATA_BYTES:
            self.fail("long")
        if any(_FORBIDDEN.search(text) for text in _texts(value)):
            self.fail("characters")
        return value


def _depth(value: Any) -> int:
    """How deep lists and objects stand in each other, found without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, dict | list):
            deepest = max(deepest, depth)
            parts = part.values() if isinstance(part, dict) else part
            waiting += [(each, depth + 1) for each in parts]
    return deepest


def _texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value, names of members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
