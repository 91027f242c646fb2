"""Random numbers that belong to an image, not to the batch in which it is drawn."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deconfound.errors import ConfigurationError


def uniforms(seed: int, indices: Sequence[int], stream: str, count: int) -> Tensor:
    """Draw ``count`` numbers for each index, the same whatever else is in the batch.

    Every image has its own counter-based generator (Philox) keyed by ``(seed, index)``; the stream
    sets the counter's highest word, so two streams of one image never overlap.

    Args:
        seed: of the data set, non-negative.
        indices: of the B images, non-negative.
        stream: what the numbers are for.
        count: numbers for each image.

    Returns:
        (B, count) float32 in [0, 1).

    Raises:
        ConfigurationError: a negative seed or index.
    """
    if seed < 0 or any(index < 0 for index in indices):
        lowest = min([seed, *indices])
        raise ConfigurationError(
            f"simulation: seeds and indices must be 0 or more, found {lowest}; choose another"
        )
    word = zlib.crc32(stream.encode())
    rows = [
        np.random.Generator(
            np.random.Philox(key=np.array([seed, index], np.uint64), counter=[0, 0, 0, word])
        ).random(count, np.float32)
        for index in indices
    ]
    return torch.from_numpy(np.stack(rows) if rows else np.zeros((0, count), np.float32))
