"""Which Likeness this is."""

from importlib.metadata import PackageNotFoundError, version


def likeness_version() -> str:
    """The version that is installed; `unknown` where it runs without being so."""
    try:
        return version("likeness")
    except PackageNotFoundError:
        return "unknown"
