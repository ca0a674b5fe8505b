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


class ForeignCollection(IndexUnavailable):
    """A collection of our name holds something else."""
