"""Which kind of file it is."""

from pathlib import Path

from .errors import UnusableFile
from .npy import NpySource
from .parquet import ParquetSource
from .rows import Source

_NPY = b"\x93NUMPY"
_PARQUET = b"PAR1"


def open_source(path: Path, people: Path | None = None) -> Source:
    """A file of templates, by what it begins with; `people` is the CSV file beside an NPY file.

    Raises:
        UnusableFile: it is neither Parquet nor NPY, or can't be read.
        MissingColumns: it has not what is needed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_NPY))
    except OSError as error:
        raise UnusableFile(f"{path} can't be read: {error.strerror}.") from error
    if start == _NPY:
        if people is None:
            raise UnusableFile("An NPY file needs a CSV file that says whose they are: --people.")
        return NpySource(path, people)
    if not start.startswith(_PARQUET):
        raise UnusableFile(f"{path.name} is neither a Parquet nor an NPY file.")
    if people is not None:
        raise UnusableFile("A Parquet file has its people in it; --people goes with an NPY file.")
    return ParquetSource(path)
