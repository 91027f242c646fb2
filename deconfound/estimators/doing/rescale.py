"""The distance of a lesion, set: the picture enlarged or shrunk about it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.estimators.doing.base import Pictures


def rescaled(pictures: Pictures, factors: Tensor) -> Pictures:
    """Enlarge every picture about the middle of its lesion, which stays where it is.

    Args:
        pictures: B of them; one without a lesion is enlarged about its own middle.
        factors: (B,), above 1 enlarges. What comes in from outside is black and without lesion.

    Returns:
        Pictures of the same shapes.
    """
    middle = _middle(pictures.mask)  # (B, 2), x and y in [-1, 1]
    shrink = 1 / factors.to(middle)
    scale = torch.diag_embed(shrink[:, None].expand(-1, 2))
    shift = middle * (1 - shrink)[:, None]
    grid = F.affine_grid(
        torch.cat([scale, shift[:, :, None]], dim=2),
        list(pictures.image.shape),
        align_corners=False,
    ).to(pictures.image)
    labels = pictures.mask[:, None].to(pictures.image)
    moved = F.grid_sample(labels, grid, "nearest", align_corners=False)[:, 0]
    image = F.grid_sample(pictures.image, grid, align_corners=False)
    return Pictures(image.clamp(0, 1), moved.to(pictures.mask.dtype), pictures.class_index)


def _middle(mask: Tensor) -> Tensor:
    """Return the centre of mass of each lesion as (x, y) in [-1, 1]; 0 where there is none."""
    lesion = (mask > 0).float()
    height, width = mask.shape[-2:]
    y = ((torch.arange(height, device=mask.device) + 0.5) * (2 / height) - 1)[:, None]
    x = ((torch.arange(width, device=mask.device) + 0.5) * (2 / width) - 1)[None]
    total = lesion.sum(dim=(1, 2)).clamp_min(1)
    return (
        torch.stack([(lesion * x).sum(dim=(1, 2)), (lesion * y).sum(dim=(1, 2))], 1)
        / (total[:, None])
    )
