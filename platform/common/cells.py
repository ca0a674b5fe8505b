"""Cells of files that are opened in a spreadsheet."""

import re

# What a spreadsheet takes for a formula, also after characters that it drops or skips. Full-width
# signs are the same to some of them, and a cell that begins with a line's end may begin a row.
_FORMULA = re.compile(
    r"[\x00-\x20\x7f-\xa0\ufeff\ufffe\uffff]*[-=+@\uff0b\uff0d\uff1d\uff20]|[\t\r\n]"
)


def harmless(value: object) -> str:
    """The value as a text that is no formula."""
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text
