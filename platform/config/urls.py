"""Every address of the server."""

from csp.decorators import csp
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts.user_api import UserViewSet
from common.health import healthz
from common.security import DOCS
from enrolment.api import PersonViewSet, PhotoViewSet
from enrolment.desk_api import EnrolmentView
from enrolment.identity_api import UndoChangeView
from enrolment.review_api import ReviewViewSet
from identification.api import DetectView, IdentifyView, VerifyView
from identification.batch_api import BatchesView, BatchView
from identification.search_api import SearchProbeView, SearchReviewView, SearchViewSet
from identification.telemetry_api import TelemetryView
from imports.api import ImportItemViewSet, ImportViewSet
from operations.api import metrics, readyz
from operations.dashboard_api import DashboardView
from people.api import GalleryViewSet, ModelsView
from people.audit_api import AuditViewSet
from people.key_api import KeyViewSet
from people.member_api import MemberViewSet
from people.session_api import OwnPasswordView, SessionView
from photos.api import FaceViewSet
from portal.views import portal
from thresholds.api import CalibrationViewSet, PreviewView, ThresholdsView
from vectors.api import GalleryIndexView

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("galleries", GalleryViewSet)
router.register("people", PersonViewSet)
router.register("photos", PhotoViewSet)
router.register("faces", FaceViewSet)
router.register("calibrations", CalibrationViewSet)
router.register("searches", SearchViewSet)
router.register("reviews", ReviewViewSet)
router.register("imports", ImportViewSet)
router.register("users", UserViewSet)
router.register("members", MemberViewSet)
router.register("keys", KeyViewSet)
router.register("audit", AuditViewSet)

api: list[URLPattern | URLResolver] = [
    path("", include(router.urls)),
    path("dashboard", DashboardView.as_view()),
    path("session", SessionView.as_view()),
    path("session/password", OwnPasswordView.as_view()),
    path("galleries/<uuid:id>/index", GalleryIndexView.as_view()),
    path("galleries/<uuid:id>/thresholds", ThresholdsView.as_view()),
    path("galleries/<uuid:id>/thresholds/preview", PreviewView.as_view()),
    path("imports/<uuid:id>/items", ImportItemViewSet.as_view({"get": "list"})),
    path("enrolments", EnrolmentView.as_view()),
    path("changes/<uuid:id>/undo", UndoChangeView.as_view()),
    path("galleries/<uuid:id>/telemetry", TelemetryView.as_view()),
    path("models", ModelsView.as_view()),
    path("searches/<uuid:id>/faces/<int:number>/image", SearchProbeView.as_view()),
    path("searches/<uuid:id>/faces/<int:number>/review", SearchReviewView.as_view()),
    path("identify", IdentifyView.as_view()),
    path("identify/batches", BatchesView.as_view()),
    path("identify/batches/<uuid:id>", BatchView.as_view()),
    path("verify", VerifyView.as_view()),
    path("detect", DetectView.as_view()),
]

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/docs/",
        csp(DOCS)(SpectacularSwaggerSplitView.as_view(url_name="schema")),
        name="docs",
    ),
    # All others are the portal's, which knows its own.
    re_path(r"^(?!(?:api|admin|static|healthz|readyz|metrics)(?:/|$))", portal, name="portal"),
]

handler400 = "common.problems.bad_request"
handler404 = "common.problems.page_not_found"
handler500 = "common.problems.server_error"
