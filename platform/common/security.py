"""What browsers are told of each answer: what it may load and run, and whom it may be shown to.

Each kind of answer has a Content-Security-Policy of its own. The strictest is the usual one; a view
that needs more says so (`csp.decorators.csp`), and the admin's pages have theirs by their address,
since most are not ours.
"""

from collections.abc import MutableMapping
from typing import Any, TypeAlias

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

Policy: TypeAlias = dict[str, list[Any]]

# Of figures and pictures: they load nothing, and nobody frames them.
DATA: Policy = {
    "default-src": [NONE],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [NONE],
}
PORTAL: Policy = {
    **DATA,
    "script-src": [SELF],
    # Its library of components writes style sheets, which carry the nonce of the page.
    "style-src": [SELF, NONCE],
    "img-src": [SELF, "blob:", "data:"],
    "media-src": [SELF, "blob:"],
    "connect-src": [SELF],
    "font-src": [SELF],
    "manifest-src": [SELF],
    "worker-src": [SELF],
    "form-action": [SELF],
}
# Swagger's: its scripts are files, its styles are not.
DOCS: Policy = {
    **DATA,
    "script-src": [SELF],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
}
# Unfold's pages carry expressions for Alpine, which evaluates them, and styles in attributes.
ADMIN: Policy = {
    **DOCS,
    "script-src": [SELF, UNSAFE_EVAL],
    "img-src": [SELF, "data:", "blob:"],
    "form-action": [SELF],
}
# A page or a drawing among the static files runs nothing when it is opened by itself.
STATIC_PAGE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

FEATURES = "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()"


class SecurityHeaders(CSPMiddleware):
    """A policy for every answer that has none yet, and which devices of the browser it may use.

    Django's own middleware does the rest: nosniff, Referrer-Policy, Cross-Origin-Opener-Policy.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the headers."""
        response.headers.setdefault("Permissions-Policy", FEATURES)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        answer: HttpResponseBase = super().process_response(request, response)
        return answer

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002 - as its parent has it
    ) -> PolicyParts:
        """The view's policy, or that of the address."""
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and parts.config is None:
            parts.config = ADMIN if request.path_info.startswith("/admin/") else DATA
        return parts


def static_headers(headers: MutableMapping[str, str], path: str, url: str) -> None:
    """WhiteNoise's hook."""
    if path.endswith((".html", ".svg", ".xml")):
        headers["Content-Security-Policy"] = STATIC_PAGE


def is_immutable(path: str, url: str) -> bool:
    """WhiteNoise's hook: Vite puts a hash into the name of each asset, which never changes then."""
    return url.startswith("/static/portal/assets/")
