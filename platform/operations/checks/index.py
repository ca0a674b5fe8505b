"""Milvus, the collections there, and how far they are behind the database."""

from django.conf import settings
from django.db import DatabaseError

from operations.parts import Part, duration, failed, ok, warning
from vectors import milvus
from vectors.connection import server_label
from vectors.errors import ForeignCollection, IndexUnavailable, LoginRefused
from vectors.models import GenerationState, IndexGeneration
from vectors.selectors import lag

# CVE-2025-64513 lets anybody in; CVE-2026-26190 opens its port of metrics to commands.
SAFE_VERSION = (2, 6, 10)
LAG_WARNING, LAG_FAILED = 60.0, 600.0


def milvus_server() -> Part:
    """Does it answer, let us in, and have no known hole?"""
    try:
        version = milvus.server_version()
        milvus.ping()
    except LoginRefused:
        return failed(
            "milvus",
            "refuses the login",
            "Set MILVUS_TOKEN to USER:PASSWORD as the server knows them.",
            where=server_label(),
        )
    except IndexUnavailable:
        return _away()
    if version is None:
        return ok("milvus", "Milvus Lite answers", where=server_label())
    if milvus.version_numbers(version) < SAFE_VERSION:
        return warning(
            "milvus",
            f"{version} answers, and has known holes (CVE-2025-64513, CVE-2026-26190)",
            "Update it to 2.6.10 or later.",
            where=server_label(),
        )
    return ok("milvus", f"{version} answers", where=server_label())


def _away() -> Part:
    if settings.MILVUS_URI:
        remedy = "Start it, or correct MILVUS_URI."
        return failed("milvus", "does not answer", remedy, where=server_label())
    return failed(
        "milvus",
        "the embedded Milvus Lite is not running",
        "Start everything with `make run`, or name a server in MILVUS_URI.",
    )


def milvus_ping() -> Part:
    """Does it answer? For those who ask every few seconds."""
    try:
        milvus.ping()
    except LoginRefused:
        return failed("milvus", "refuses the login", "See `manage.py doctor`.")
    except IndexUnavailable:
        return failed("milvus", "does not answer", "See `manage.py doctor`.")
    return ok("milvus", "answers")


def collections() -> Part:
    """Are the collections there, and ours?"""
    try:
        live = _live()
        missing = [each for each in live if not milvus.has_collection(each.collection)]
    except DatabaseError:
        return failed("index", "its rows can't be read", "See the database.")
    except ForeignCollection as error:
        return failed("index", "a collection of our name isn't ours", error.detail)
    except IndexUnavailable:
        return failed("index", "can't be read", "See Milvus.")
    if missing:
        return warning(
            "index",
            f"{len(missing)} of {len(live)} collections are missing",
            "The index worker fills them again from the database; see that it runs.",
        )
    return _state(live)


def index_state() -> Part:
    """Is it whole? By the database's word alone."""
    try:
        return _state(_live())
    except DatabaseError:
        return failed("index", "its rows can't be read", "See the database.")


def _state(live: list[IndexGeneration]) -> Part:
    building = [each for each in live if each.state != GenerationState.READY]
    if building:
        return failed(
            "index",
            f"{len(building)} of {len(live)} are being built; lookups there answer 503",
            "Wait; `manage.py doctor` shows how much is left. It needs an index worker.",
        )
    return ok("index", "ready" if live else "none yet: the first enrolment makes it")


def _live() -> list[IndexGeneration]:
    here = IndexGeneration.objects.filter(server=server_label())
    return list(here.exclude(state=GenerationState.RETIRED))


def index_lag() -> Part:
    """How long has the oldest change waited for its way into the index?"""
    try:
        behind = lag()
    except DatabaseError:
        return failed("index lag", "can't be read", "See the database.")
    if not behind.pending:
        return ok("index lag", "none")
    detail = f"{behind.pending} changes wait, the oldest for {duration(behind.seconds)}"
    remedy = "Is the index worker well, and Milvus? What waits is not found by lookups."
    if behind.seconds > LAG_FAILED:
        return failed("index lag", detail, remedy)
    if behind.seconds > LAG_WARNING:
        return warning("index lag", detail, remedy)
    return ok("index lag", detail)
