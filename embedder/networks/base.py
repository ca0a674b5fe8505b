"""What the pipeline expects of a network that turns aligned crops into templates."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where that detector's five landmarks belong in the crop, in pixels."""
        ...

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, dimension) unit templates of (N, crop_size, crop_size, 3) RGB crops."""
        ...
