"""The portal's one page, at every address that is not the server's own."""

import re
from functools import cache
from pathlib import Path

from csp.decorators import csp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.html import format_html
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from common.security import PORTAL

# What Vite writes for a nonce when its `html.cspNonce` is this.
PLACEHOLDER = "__CSP_NONCE__"
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
# `/favicon.ico` and the like: a page in place of a file helps nobody.
_FILE = re.compile(r"\.[A-Za-z0-9]{1,5}$")


@csp(PORTAL)
@require_safe
@ensure_csrf_cookie
def portal(request: HttpRequest) -> HttpResponse:
    """The application, which looks at the address itself; 503 while it isn't built."""
    if _FILE.search(request.path):
        raise Http404
    if settings.PORTAL_BUILT:
        answer = HttpResponse(_page(settings.PORTAL_DIR, str(request.csp_nonce)))  # type: ignore[attr-defined]
    else:
        answer = render(request, "portal/not_built.html", status=503)
    patch_cache_control(answer, no_store=True)
    return answer


def _page(folder: Path, nonce: str) -> str:
    """The page with the nonce that its style sheets carry, where its scripts find it."""
    return _template(folder / "index.html").replace(PLACEHOLDER, nonce)


@cache
def _template(file: Path) -> str:
    """The page as it was when it was first asked for; its assets are those of the start, too."""
    page = file.read_text("utf-8")
    if PLACEHOLDER in page:
        return page
    tag = format_html('<meta property="csp-nonce" nonce="{}">', PLACEHOLDER)
    return _HEAD.sub(lambda head: head[0] + tag, page, count=1)
