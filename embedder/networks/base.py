"""What the pipeline expects of a network that turns aligned crops into templates."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedder.errors import CropsError


class Network(Protocol):
    """Embeds aligned faces."""

    @property
    def name(self) -> str:
        """Part of the name of the model that templates are stored under."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a template."""
        ...

    @property
    def crop_size(self) -> int:
        """Side of the square crops, in pixels."""
        ...

    @property
    def mirrored(self) -> bool:
        """Whether a template is the mean of those of the crop and of its mirror image."""
        ...

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where that detector's five landmarks belong in the crop, in pixels."""
        ...

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, dimension) unit templates of (N, crop_size, crop_size, 3) RGB crops."""
        ...


def check_crops(crops: object, size: int) -> None:
    """Raise CropsError unless these are (N, size, size, 3) bytes; no crop at all is fine."""
    if not isinstance(crops, np.ndarray):
        raise CropsError(f"crops are a {type(crops).__name__}: give a numpy array.")
    if crops.dtype != np.uint8:
        raise CropsError(f"crops hold {crops.dtype}: scale them to 0..255 and convert to uint8.")
    if crops.shape[1:] != (size, size, 3):
        raise CropsError(
            f"crops have the shape {crops.shape}: give (N, {size}, {size}, 3), as "
            "embedder.align.aligned_crops makes them."
        )
