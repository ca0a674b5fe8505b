"""Milvus, the collections there, and how far they are behind the database."""

from django.conf import settings
from django.db import DatabaseError

from operations.parts import Part, duration, failed, ok, warning
from vectors import indexes, milvus
from vectors.connection import EMBEDDED, server_label, server_labels
from vectors.errors import ForeignCollection, IndexUnavailable, LoginRefused
from vectors.models import GenerationState, IndexGeneration
from vectors.outbox import live
from vectors.recall import TARGET, measured
from vectors.selectors import lag
from vectors.wanted import wanted

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
        searched = _searched()
        missing = [each for each in searched if not milvus.has_collection(each.collection)]
    except DatabaseError:
        return failed("index", "its rows can't be read", "See the database.")
    except ForeignCollection as error:
        return failed("index", "a collection of our name isn't ours", error.detail)
    except IndexUnavailable:
        return failed("index", "can't be read", "See Milvus.")
    if missing:
        return warning(
            "index",
            f"{len(missing)} of {len(searched)} collections are missing",
            "The index worker fills them again from the database; see that it runs.",
        )
    return _state(searched)


def index_state() -> Part:
    """Is it whole? By the database's word alone."""
    try:
        return _state(_searched())
    except DatabaseError:
        return failed("index", "its rows can't be read", "See the database.")


def _state(searched: list[IndexGeneration]) -> Part:
    building = [each for each in searched if each.state != GenerationState.READY]
    if building:
        return failed(
            "index",
            f"{len(building)} of {len(searched)} are being built; lookups there answer 503",
            "Wait; `manage.py doctor` shows how much is left. It needs an index worker.",
        )
    return ok("index", "ready" if searched else "none yet: the first enrolment makes it")


def _searched() -> list[IndexGeneration]:
    """Those that answer for some gallery, on servers within reach; not those of a rebuild."""
    here = live().filter(server__in=server_labels(), activeindex__isnull=False)
    return list(here.distinct().order_by("pk"))


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


def recall() -> Part:
    """Do searches find the best match as often as they should, when last measured?"""
    try:
        found = measured()
    except DatabaseError:
        return failed("recall", "can't be read", "See the database.")
    if not found:
        return ok("recall", "not measured yet")
    low = [each for each in found if each.recall is not None and each.recall < TARGET]
    if not low:
        return ok("recall", f"at least {TARGET:.1%} of the best matches are found")
    worst = min(low, key=lambda each: each.recall or 0.0)
    slug = worst.gallery.slug
    return warning(
        "recall",
        f"{len(low)} of {len(found)} galleries find under {TARGET:.1%} of the best matches, the "
        f"worst {worst.recall:.2%}",
        f"`manage.py vectors tune {slug}`; if that doesn't help, `manage.py vectors rebuild "
        f"--gallery {slug}`.",
        where=slug,
    )


def rebuilds() -> Part:
    """Does a new index wait for something, and is an old one too small for what it holds?"""
    try:
        stuck = live().exclude(problem="").order_by("pk").first()
        outgrown = [each for each in _searched() if _is_outgrown(each)]
    except DatabaseError:
        return failed("rebuilds", "can't be read", "See the database.")
    if stuck is not None:
        return warning("rebuilds", "a new index can't take over", stuck.problem, where=stuck.name)
    if outgrown:
        kind = outgrown[0].index_type
        return warning(
            "rebuilds",
            f"an index of type {kind} holds more than suits it; lookups get slow",
            "One of the right type is built next night, or now by `manage.py vectors rebuild "
            "--all`; lookups go on meanwhile.",
            where=outgrown[0].name,
        )
    return ok("rebuilds", "none is needed")


def _is_outgrown(generation: IndexGeneration) -> bool:
    suits = indexes.kind(generation.index_type).up_to
    embedded = generation.server == EMBEDDED
    if embedded or suits is None:
        return False
    # Counted no further than it takes: a database counts by reading.
    count = wanted(generation)[: round(indexes.GROWTH * suits) + 1].count()
    return indexes.outgrown(generation.index_type, count, embedded=embedded)
