"""What can be wrong with a file as a whole. A row's faults are a `Refusal` each."""

from common.errors import Conflict, Unprocessable


class UnusableFile(Unprocessable):
    """No file of templates: of another kind, cut off, or damaged."""

    code = "unusable_file"


class MissingColumns(UnusableFile):
    """It has not the columns that are needed, or they hold something else."""

    code = "missing_columns"


class RowsDiffer(UnusableFile):
    """The templates and the list of people have different numbers of rows."""

    code = "rows_differ"


class OtherModel(Unprocessable):
    """The templates are not of the gallery's model, or nobody says of which."""

    code = "other_model"


class Overtaken(Conflict):
    """Somebody else changes the same people, or loads the same file, at the same time."""

    code = "overtaken"
