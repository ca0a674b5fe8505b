"""Error rates of a model by score, measured as searches compare; thresholds follow from them.

Figures alone: what a gallery asks of a match, and what N does to it, is the platform's.
"""

from embedder.calibration.calibration import Calibration, calibrate
from embedder.calibration.curves import MOST_PHOTOS
from embedder.calibration.measuring import Labelled, check_enough

__all__ = ["MOST_PHOTOS", "Calibration", "Labelled", "calibrate", "check_enough"]
