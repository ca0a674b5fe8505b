from __future__ import annotations

import numpy as np
import torch

from embedder.device import device


def test_there_is_one_device_a_process() -> None:
    assert device() is device()
    assert device().place.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_pixels_are_taken_as_they_are_channels_first() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    taken = device().take(pixels[:, ::-1])
    assert (taken.dtype, taken.device.type) == (torch.uint8, device().place.type)
    np.testing.assert_array_equal(taken.cpu().numpy(), pixels[:, ::-1].transpose(0, 3, 1, 2))
