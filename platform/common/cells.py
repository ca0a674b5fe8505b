"""Cells of files that are opened in a spreadsheet."""

# What a spreadsheet takes for a formula when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(value: object) -> str:
    """The value as a text that is no formula."""
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
