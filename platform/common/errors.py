"""Errors that reach the caller, each with a stable code and a sentence that says what to do."""

from http import HTTPStatus
from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An error with an answer (RFC 9457): HTTP status, stable code, sentence, extra members."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    code: str = "bad_request"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: HTTPStatus | None = None,
        retry_after: int | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.http_status = status or self.status
        self.retry_after = retry_after
        self.members = members


class NotFound(Problem):
    """No such thing, or none that the caller may know of: the two look the same."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no {what} with this id, or you have no access to it.")


class Forbidden(Problem):
    """The caller may see the thing but not do this to it."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class Conflict(Problem):
    """The request contradicts what is there."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


class Unprocessable(Problem):
    """Well-formed, but not something that can be done."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "unprocessable"


class TooLarge(Problem):
    """More bytes than the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class StorageFull(Problem):
    """The disk has no room for what was sent."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "storage_full"


class Unavailable(Problem):
    """A part that this needs is away; the same request will work later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int = 5) -> None:
        super().__init__(detail, code=code, retry_after=retry_after)
