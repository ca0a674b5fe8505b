"""What can be wrong with a source as a whole. An entry's faults are a `Refused` each."""

from http import HTTPStatus

from common.errors import Forbidden, Problem, Unprocessable


class UnusableSource(Unprocessable):
    """Nothing can be imported from it: it is missing, damaged from the start, or something else."""

    code = "unusable_source"


class UnusableManifest(Unprocessable):
    """The table that says who is on which photo can't be read, or is not to be found."""

    code = "unusable_manifest"


# The code of one that lacks a column, or has one twice.
MISSING_COLUMNS = "missing_columns"


class SourceNotAllowed(Forbidden):
    """Whoever runs this installation has not opened this way in."""

    code = "source_not_allowed"


class MissingExtra(Problem):
    """The way in needs packages that are not installed."""

    status = HTTPStatus.NOT_IMPLEMENTED
    code = "missing_extra"
