"""Changes to a photo that leave it the same person's, each made with a probability of its own.

What is drawn depends on the generator alone: the caller seeds one for each place of each epoch, so
that neither the number of processes nor a resumed training changes anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedder.opencv import cv2
from embedder.training.configuration import AugmentOptions
from embedder.types import RgbImage

# What brightness is weighed by: ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BEST_QUALITY = 95
# Width over height of an erased rectangle.
_NARROWEST, _WIDEST = 0.5, 2.0


def generator(seed: int, epoch: int, place: int) -> np.random.Generator:
    """The random numbers of the photo at a place of an epoch."""
    # The last number tells them from the sampler's.
    return np.random.default_rng((seed, epoch, place, 1))


def augment(crop: RgbImage, options: AugmentOptions, random: np.random.Generator) -> RgbImage:
    """A changed copy of an (S, S, 3) crop, of the same size."""
    changes = (
        (options.flip, flip),
        (options.crop, zoom),
        (options.colour, colour),
        (options.blur, blur),
        (options.jpeg, jpeg),
        (options.erase, erase),
    )
    # All at once: one change more or less moves the numbers of no other.
    drawn = random.random(len(changes))
    for chance, (probability, change) in zip(drawn, changes, strict=True):
        if chance < probability:
            crop = change(crop, options, random)
    return np.ascontiguousarray(crop)


def flip(crop: RgbImage, _options: AugmentOptions, _random: np.random.Generator) -> RgbImage:
    """Mirrored."""
    return crop[:, ::-1]


def zoom(crop: RgbImage, options: AugmentOptions, random: np.random.Generator) -> RgbImage:
    """Larger or smaller, and moved; what comes in from outside is black, as in aligned crops."""
    size = crop.shape[0]
    scale = 1 + random.uniform(-options.zoom, options.zoom)
    moved = random.uniform(-options.shift, options.shift, 2) * size
    # The middle stays in the middle, but for the move.
    matrix = np.column_stack((np.eye(2) * scale, (1 - scale) * (size - 1) / 2 + moved))
    return np.asarray(cv2.warpAffine(crop, matrix, (size, size)), np.uint8)


def colour(crop: RgbImage, options: AugmentOptions, random: np.random.Generator) -> RgbImage:
    """Brighter or darker, with more or less contrast and saturation."""
    brightness, contrast, saturation = 1 + random.uniform(-options.strength, options.strength, 3)
    pixels = crop.astype(np.float32) * np.float32(brightness)
    grey = pixels @ _LUMA
    pixels = grey[..., None] + (pixels - grey[..., None]) * np.float32(saturation)
    mean = grey.mean()
    pixels = mean + (pixels - mean) * np.float32(contrast)
    rounded: RgbImage = np.clip(pixels + 0.5, 0, 255).astype(np.uint8)
    return rounded


def blur(crop: RgbImage, options: AugmentOptions, random: np.random.Generator) -> RgbImage:
    """As a smaller photo would be, enlarged."""
    size = crop.shape[0]
    side = max(1, round(size / random.uniform(1, options.most_blur)))
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def jpeg(crop: RgbImage, options: AugmentOptions, random: np.random.Generator) -> RgbImage:
    """Saved as a JPEG and read again."""
    quality = int(random.integers(options.least_quality, _BEST_QUALITY, endpoint=True))
    saved = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    read: RgbImage = np.asarray(cv2.imdecode(saved, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return read


def erase(crop: RgbImage, options: AugmentOptions, random: np.random.Generator) -> RgbImage:
    """With a rectangle of noise: Zhong et al., "Random Erasing" (arXiv 1708.04896)."""
    size = crop.shape[0]
    area = random.uniform(0.02, max(options.erased, 0.02)) * size**2
    ratio = np.exp(random.uniform(np.log(_NARROWEST), np.log(_WIDEST)))
    width, height = (min(size, max(1, round(np.sqrt(area * r)))) for r in (ratio, 1 / ratio))
    x, y = random.integers(0, size - width + 1), random.integers(0, size - height + 1)
    erased = crop.copy()
    erased[y : y + height, x : x + width] = _noise(random, height, width)
    return erased


def _noise(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    return random.integers(0, 256, (height, width, 3), np.uint8)
