"""Surroundings without their lesion: it is painted over with tissue from beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.estimators.doing.base import Pictures
from deconfound.estimators.doing.continuing import continued
from deconfound.estimators.doing.edges import dilated, edge_width, grown, soft_edge
from deconfound.estimators.doing.moves import MOVES
from deconfound.estimators.doing.style import DARK

PASSES = 3
"""Patches that are laid one after the other: what the first leaves, the second may cover."""

SIDE = 48
"""Pixels, high and wide, of the small copies on which patches are compared."""

SEAM = 3.0
"""What an uneven difference of colour at the seam counts, beside a share left uncovered."""


def paint_over(pictures: Pictures, margin: float = 0.0) -> Pictures:
    """Replace each lesion by a patch of its own picture, its colours continuing those around it.

    The patch has the picture's own sharpness, noise and distance. It is the picture mirrored or
    moved (`MOVES`), whichever covers most of the lesion with tissue and needs the evenest shift;
    its light and tint are then shifted smoothly to meet the seam all round, as in seamless cloning
    (Pérez et al., Poisson image editing, SIGGRAPH 2003). What no patch covers, as where a lesion
    fills the picture, stays with its label: nothing is called normal tissue that is not.

    Args:
        pictures: B of them.
        margin: width of the surroundings that are painted over with it, as of `Transplant`.

    Returns:
        Pictures of the same shapes; a class index is -1 where no lesion is left.
    """
    image = pictures.image
    # Drawn outlines are not exact, and half an edge beyond them a lesion can still be seen.
    region = dilated(grown(pictures.mask > 0, margin), edge_width(image) // 2)
    for _ in range(PASSES):
        if region.any():
            image, region = _patched(image, region)
    mask = torch.where(region, pictures.mask, 0)
    remains = (mask > 0).flatten(1).any(dim=1)
    return Pictures(image, mask, torch.where(remains, pictures.class_index, -1))


def _patched(image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Lay one patch over each region (B, H, W); return the images, and what is left of it."""
    width = edge_width(image)
    near = dilated(region, width)
    seam = dilated(near, width) & ~near
    best = _best(image, region, near, seam)
    moved = _moved(torch.cat([image, near[:, None].to(image)], dim=1), best)
    patch, unfit = moved[:, :3], moved[:, 3] > 0
    patch = (patch + continued(image - patch, seam & ~unfit)).clamp(0, 1)
    share = soft_edge(region) * ~unfit[:, None]
    return share * patch + (1 - share) * image, region & unfit


def _moved(of: Tensor, best: Sequence[int]) -> Tensor:
    """Move each picture in its own way."""
    return torch.stack([MOVES[index](one) for index, one in zip(best, of, strict=True)])


def _best(image: Tensor, region: Tensor, near: Tensor, seam: Tensor) -> list[int]:
    """Return for each picture the index of the move whose patch fits its region best.

    All moves are compared at once, in tensors (moves, B, ...): on a GPU one by one is slow.
    """
    places = torch.stack([region, near, seam], dim=1).float()
    small = F.interpolate(torch.cat([image, places], dim=1), (SIDE, SIDE), mode="area")
    image, region, near, seam = small[:, :3], small[:, 3] > 0, small[:, 4] > 0, small[:, 5] > 0.5
    frame = image.amax(dim=1) <= DARK
    unusable = torch.stack([near, frame], dim=1).to(image)
    moved = torch.stack([move(torch.cat([image, unusable], dim=1)) for move in MOVES])
    lost, seen = moved[:, :, 3:].amax(dim=2), seam & (moved[:, :, 3] == 0)
    apart = moved[:, :, :3] - image
    shift = _mean(apart, seen[:, :, None])
    uneven = (apart - shift[..., None, None]).abs().mean(dim=2)  # an even one is shifted away
    return (_mean(lost, region) + SEAM * _mean(uneven, seen)).argmin(dim=0).tolist()


def _mean(of: Tensor, where: Tensor) -> Tensor:
    """Return the mean over some places of (..., H, W), (...); 0 where there are none."""
    return (of * where).sum(dim=(-2, -1)) / where.sum(dim=(-2, -1)).clamp_min(1)
