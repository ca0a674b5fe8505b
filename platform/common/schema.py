"""What every call of the API can answer, for its description."""

from typing import Any

_GENERAL = {
    "401": "`not_authenticated`, `authentication_failed`",
    "403": "`role_needed`, `permission_denied`",
}
_BY_ID = {"404": "`not_found`: there is none, or you have no access to it"}
_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def add_general_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: the errors that need no mention call by call."""
    for path, operations in result["paths"].items():
        problems = {**_GENERAL, **(_BY_ID if "{" in path else {})}
        for operation in operations.values():
            for status, codes in problems.items():
                operation["responses"].setdefault(
                    status, {"description": codes, "content": dict(_CONTENT)}
                )
            _name_content_type(operation["responses"])
    return result


def _name_content_type(responses: dict[str, Any]) -> None:
    """Problems have a media type of their own (RFC 9457)."""
    for status, response in responses.items():
        if int(status) >= 400 and "application/json" in response.get("content", {}):  # noqa: PLR2004
            response["content"] = {
                "application/problem+json": response["content"]["application/json"]
            }
