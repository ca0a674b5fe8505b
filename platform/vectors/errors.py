"""What can be wrong with the index."""

from common.errors import Unavailable


class IndexUnavailable(Unavailable):
    """Milvus is away, slow, or refused; never to be taken for "no match"."""

    code = "index_unavailable"


class CollectionMissing(IndexUnavailable):
    """Milvus answers but has no such collection: it has to be filled again."""

    code = "index_not_ready"


class LoginRefused(IndexUnavailable):
    """Milvus answers, but not to us."""


class NotAnId(ValueError):  # noqa: N818 - named as its siblings are
    """Something else than a whole number was to become part of a filter: a mistake of ours."""


class ForeignCollection(IndexUnavailable):
    """A collection of our name holds something else."""
