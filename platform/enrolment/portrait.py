"""The demo without a folder: a portrait in the public domain, and a picture without a person."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image
from skimage import data

from .demo import Subject

NAME = "Eileen_Collins"


def read_portrait() -> tuple[list[Subject], list[Callable[[], bytes]]]:
    """One person, looked up on a darker, smaller copy; and a cat, who is nobody."""
    portrait = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    darker = Image.fromarray((np.asarray(portrait) * 0.6).astype(np.uint8)).resize((400, 400))
    person = Subject(NAME, [lambda: _jpeg(portrait)], lambda: _jpeg(darker))
    cat = Image.fromarray(data.chelsea())  # type: ignore[no-untyped-call]
    return [person], [lambda: _jpeg(cat)]


def _jpeg(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
