"""Small pictures and masks on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (20, 16)  # width, height


def draw(path: Path, values: np.ndarray | None = None, size: tuple[int, int] = SIZE) -> Path:
    """Save an image: the given values, or a picture that its name decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if values is None:
        rng = np.random.default_rng(sum(path.name.encode()))
        values = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def blob(top: int = 255, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask with a lesion in its upper left quarter."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[: size[1] // 2, : size[0] // 2] = top
    return mask
