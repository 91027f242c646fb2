"""Where else in a picture there may be tissue like that of one place: mirrored, or moved aside."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch.nn.functional as F
from torch import Tensor

Move = Callable[[Tensor], Tensor]
"""Takes (..., H, W) floats; 1 comes in where it looks beyond the picture."""


def mirrored(*axes: int) -> Move:
    """Turn the picture over along some axes."""
    return lambda picture: picture.flip(axes)


def moved(down: float, across: float) -> Move:
    """Move the picture by shares of its height and width."""

    def move(picture: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        y, x = round(down * height), round(across * width)
        return F.pad(picture, [x, -x, y, -y], value=1.0)

    return move


MOVES: tuple[Move, ...] = (
    *(mirrored(-1), mirrored(-2), mirrored(-2, -1)),
    *(
        moved(far * down, far * across)
        for far in (1 / 4, 3 / 8, 1 / 2)
        for down, across in product((-1, 0, 1), repeat=2)
        if down or across
    ),
)
"""Three mirrors, which keep the distance to the centre, and eight directions at three distances."""
