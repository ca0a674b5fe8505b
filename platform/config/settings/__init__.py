"""All settings of Likeness, typed, from the environment (`.env.example` explains each variable).

Without any variable everything runs embedded: SQLite, a broker of files, Milvus Lite.
"""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.utils import get_random_secret_key

from common.security import is_immutable, static_headers

from . import env

BASE_DIR = Path(__file__).resolve().parents[3]
env.read_file(BASE_DIR / ".env")

# --- Where things are -----------------------------------------------------------------------

VAR_DIR = env.folder("LIKENESS_VAR_DIR", BASE_DIR / "var")
MEDIA_ROOT = env.folder("MEDIA_ROOT", VAR_DIR / "media")
LEDGER_FILE = env.file("LEDGER_FILE", VAR_DIR / "erasures.jsonl")

# --- Who may ask ------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", default=False)
PUBLIC_URL = env.web_address("PUBLIC_URL", "http://127.0.0.1:8000")
HTTPS = PUBLIC_URL.startswith("https://")
_public_host = urlsplit(PUBLIC_URL).hostname or ""
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS", sorted({_public_host, "localhost", "127.0.0.1", "[::1]"} - {""})
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]


def _secret_key() -> str:
    """The key from the environment, or one made at the first start and kept."""
    given = env.text("SECRET_KEY")
    if given:
        return env.long_enough("SECRET_KEY", given, 50)
    kept = VAR_DIR / "secret_key"
    if not kept.exists() or not kept.read_text().strip():
        fresh = kept.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(get_random_secret_key())
        fresh.replace(kept)
    remedy = "Delete it: another is made, and everybody signs in again."
    return env.long_enough(f"The secret key in {kept}", kept.read_text().strip(), 50, remedy)


SECRET_KEY = _secret_key()

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# --- Django -------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Unfold without its own site: the admin's is common.admin_site.
    "unfold.apps.BasicAppConfig",
    "common.admin_site.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "common",
    "audit",
    "accounts",
    "people",
    "vectors",
    "photos",
    "thresholds",
    "reviews",
    "identification",
    "enrolment",
    "imports",
    "operations",
    "portal",
]

MIDDLEWARE = [
    "operations.middleware.Probes",
    "operations.metrics.RequestFigures",
    "operations.middleware.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "common.security.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last, so that its page for who tried too often has all headers of the others.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
# The first refuses whoever failed too often; keys of machines never come here.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

# --- Signing in -----------------------------------------------------------------------------------

AXES_FAILURE_LIMIT = env.number("SIGN_IN_FAILURES", 5, low=1, high=1_000)
AXES_COOLOFF_TIME = timedelta(minutes=env.number("SIGN_IN_WAIT_MINUTES", 15, low=1, high=1_440))
# By both: nobody can lock somebody else out from another address.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# How many proxies in front add the address of whoever asked them to X-Forwarded-For.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, low=0, high=10)
AXES_CLIENT_IP_CALLABLE = "accounts.sign_in.address_of"
AXES_LOCKOUT_CALLABLE = "accounts.sign_in.locked_out"
# Whoever tries again meanwhile doesn't wait for longer: the time that was said holds.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# What `make frontend` builds. In a wheel it lies beside the packages.
_SOURCES = Path(__file__).resolve().parents[2]
_bundle = BASE_DIR / "frontend" / "dist"
PORTAL_DIR = env.place("PORTAL_DIR", _bundle if _bundle.is_dir() else _SOURCES / "portal" / "dist")
PORTAL_BUILT = (PORTAL_DIR / "index.html").is_file()
STATICFILES_DIRS = [("portal", str(PORTAL_DIR))] if PORTAL_BUILT else []
# Served from the packages themselves: a fresh checkout needs no collectstatic.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_IMMUTABLE_FILE_TEST = is_immutable
WHITENOISE_ADD_HEADERS_FUNCTION = static_headers

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- The truth ----------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'likeness.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # One writer at a time, readers beside it. A transaction takes the write lock when it begins,
    # so that it can wait for its turn instead of failing half-way (SQLITE_BUSY on upgrade), and
    # is on the disk when it is acknowledged (synchronous=FULL).
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # To open the file and set all this up costs each request more than its queries do.
    _database["CONN_MAX_AGE"] = 600
else:
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
    # A server that is out of reach is said to be so; without this a request waits for minutes.
    _database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

STORAGES = {
    "default": {"BACKEND": "common.storage.DurableFileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- Uploads ------------------------------------------------------------------------------------

MAX_UPLOAD_BYTES = env.number("MAX_UPLOAD_MB", 15, low=1, high=200) * 1024 * 1024
MAX_PIXELS = env.number("MAX_MEGAPIXELS", 50, low=1, high=200) * 1_000_000
MAX_FILES_PER_UPLOAD = 100
FILE_UPLOAD_HANDLERS = ["common.uploads.BoundedUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = MAX_FILES_PER_UPLOAD

# --- Bulk imports ---------------------------------------------------------------------------------

# Folders of this machine that may be imported from, with all that is in them.
IMPORT_ROOTS = env.folders("IMPORT_ROOTS")
IMPORT_URLS = env.flag("IMPORT_URLS", default=False)
IMPORT_BUCKETS = env.words("IMPORT_BUCKETS", [])
# Empty: Amazon's own.
IMPORT_S3_ENDPOINT = env.url("IMPORT_S3_ENDPOINT", "", ("http", "https"))
# 100,000 photos, with room for folders and what doesn't belong there.
IMPORT_MAX_FILES = env.number("IMPORT_MAX_FILES", 250_000, low=1, high=5_000_000)
IMPORT_MAX_BYTES = env.number("IMPORT_MAX_GB", 500, low=1, high=100_000) * 1_000_000_000
IMPORT_MAX_RATIO = env.number("IMPORT_MAX_RATIO", 100, low=2, high=1_000)
IMPORT_MAX_MANIFEST_BYTES = (
    env.number("IMPORT_MAX_MANIFEST_MB", 64, low=1, high=1_000) * 1024 * 1024
)

# --- The queue (a hint; rows are the work) -------------------------------------------------------

CELERY_BROKER_URL = env.servers(
    "CELERY_BROKER_URL",
    "filesystem://localhost",
    ("filesystem", "redis", "rediss", "amqp", "amqps"),
)
BROKER_DIR = VAR_DIR / "broker"

# --- The index ------------------------------------------------------------------------------------

# Empty: Milvus Lite inside VAR_DIR, run by `manage.py up`.
MILVUS_URI = env.servers("MILVUS_URI", "", ("http", "https", "tcp"))
MILVUS_TOKEN = env.text("MILVUS_TOKEN")
# The Milvus that indexes are moved to (`vectors rebuild --server next`); both are in use then.
MILVUS_NEXT_URI = env.servers("MILVUS_NEXT_URI", "", ("http", "https", "tcp"))
MILVUS_NEXT_TOKEN = env.text("MILVUS_NEXT_TOKEN")
MILVUS_TIMEOUT_SECONDS = env.number("MILVUS_TIMEOUT_SECONDS", 10, low=1, high=120)

# --- The embedder ---------------------------------------------------------------------------------

# Manifests of the user's own, and all files that were fetched.
MODELS_DIR = env.place("LIKENESS_MODELS_DIR", VAR_DIR / "models")
# Cores that the networks of one process use; 0 takes all. A photo worker computes a batch on each.
TORCH_THREADS = env.number("TORCH_THREADS", 0, low=0, high=256)

# --- API ------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["common.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "common.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["common.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "common.problems.exception_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Likeness",
    "DESCRIPTION": (
        "Enrol people from photos, identify a face in a gallery of any size.\n\n"
        "**To try the calls here**, sign in at [/admin/](/admin/) first, or press *Authorize* and "
        "write `Api-Key ` and a key as `manage.py api_key` prints it. Errors are problem details "
        "(RFC 9457) with a stable `code`."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.schema.add_general_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "PhotoState": "photos.models.PhotoState",
        "BatchState": "identification.models.BatchState",
        "BatchItemState": "identification.models.BatchItemState",
        "SeveralFaces": "people.models.SeveralFaces",
        "Role": "people.models.Role",
        "Decision": [(each, each) for each in ("match", "review", "no_match", "poor_quality")],
        "VerifyDecision": [(each, each) for each in ("match", "no_match")],
        "ReviewState": "reviews.models.State",
        "ReviewKind": "reviews.models.Kind",
        "IdentityKind": "enrolment.models.IdentityKind",
        "ImportState": "imports.models.JobState",
        "ImportItemState": "imports.models.ItemState",
    },
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Likeness",
    "SITE_HEADER": "Likeness",
    "SITE_SYMBOL": "face",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "href": "common.admin_navigation.icon"}],
    "STYLES": ["common.admin_navigation.style"],
    "SCRIPTS": ["common.admin_navigation.script"],
    "DASHBOARD_CALLBACK": "enrolment.dashboard.dashboard",
    "SIDEBAR": {"navigation": "common.admin_navigation.navigation"},
}

# --- Logs -----------------------------------------------------------------------------------------

LOG_LEVEL = env.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
# line: for people at a terminal. json: one object a line, for programs.
LOG_FORMAT = env.one_of("LOG_FORMAT", "line", ("line", "json"))
# A line for each request and its tasks is for programs, too: at a terminal it drowns all others.
_REQUEST_LEVEL = LOG_LEVEL if LOG_FORMAT == "json" or LOG_LEVEL == "DEBUG" else "WARNING"
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"ours": {"()": "common.logs.formatter", "kind": LOG_FORMAT}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "ours"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "operations.middleware": {"level": _REQUEST_LEVEL},
        "common.tracing": {"level": _REQUEST_LEVEL},
        # A task's failure is told by django_structlog, with the task's and the request's id.
        "celery.app.trace": {"level": "CRITICAL"},
        # One line for each mistake of a caller says nothing: the caller has been told.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # A line for each tick of the clock neither.
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.worker": {"level": "INFO"},
        "celery.pool": {"level": "INFO"},
        # At DEBUG these write the values of rows, of pages and of a photo's own notes.
        "django.db.backends": {"level": "INFO"},
        "django.template": {"level": "INFO"},
        "PIL": {"level": "INFO"},
        # It says at INFO each time that it has looked.
        "axes": {"level": "WARNING"},
        # The web server would write them itself, otherwise.
        "gunicorn.error": {"handlers": ["console"], "level": "ERROR", "propagate": False},
    },
}
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG

# --- Figures --------------------------------------------------------------------------------------

# What Prometheus sends to read /metrics. Empty: only site administrators may, in the browser.
METRICS_TOKEN = env.text("METRICS_TOKEN")
if METRICS_TOKEN:
    env.long_enough("METRICS_TOKEN", METRICS_TOKEN, 16)
