"""Is the web process alive?"""

from django.http import HttpRequest, JsonResponse


def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all; it asks nobody else."""
    return JsonResponse({"status": "ok"})
