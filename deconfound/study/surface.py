"""How far the outline of a predicted lesion lies from the true one, image by image.

Distances are left to MONAI. What it has no number for (an outline that is not there) is said here,
so that a missed frame is scored as badly as can be and never dropped.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.extras import missing_extra


def surface_scores(
    predicted: Tensor, mask: Tensor, tolerance: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Compare outlines, lesion of any class against background.

    The outline of a lesion is its pixels that touch background, or the border of the image, along
    an edge. Two empty maps agree (HD95 0, NSD 1). Where one alone is empty, HD95 is the diagonal of
    the image, further than any two of its pixels are apart, and NSD is 0.

    Args:
        predicted: (B, H, W), integer label maps, 0 is background.
        mask: (B, H, W), the truth, likewise.
        tolerance: how many pixels an outline may be off and still count as right, at least 0.

    Returns:
        HD95 (B,), in pixels: the larger of the two directed 95th percentiles of the distance from
        one outline to the other (Huttenlocher et al. 1993, with a percentile for the maximum). NSD
        (B,), between 0 and 1: the share of both outlines that lies within ``tolerance`` of the
        other (Nikolov et al. 2021, arXiv 1809.04430; in pixels of outline). Both are float64, on
        the CPU.

    Raises:
        ShapeError: maps of different shapes, or not of three dimensions.
        ConfigurationError: a negative or infinite tolerance, or MONAI is not installed.
    """
    if predicted.ndim != 3 or predicted.shape != mask.shape:
        raise ShapeError(
            f"surface_scores expects two label maps of shape (B, H, W), got "
            f"{tuple(predicted.shape)} and {tuple(mask.shape)}"
        )
    if not 0 <= tolerance < math.inf:
        raise ConfigurationError(
            f"surface_scores: expected a tolerance of 0 pixels or more, found {tolerance}"
        )
    found, there = predicted.cpu() > 0, mask.cpu() > 0
    any_found, any_there = found.flatten(1).any(dim=1), there.flatten(1).any(dim=1)
    both, one = any_found & any_there, any_found ^ any_there
    hd95 = torch.zeros(len(found), dtype=torch.float64)
    nsd = torch.ones(len(found), dtype=torch.float64)
    hd95[one], nsd[one] = math.hypot(*mask.shape[1:]), 0.0
    if both.any():
        hd95[both], nsd[both] = _measured(found[both], there[both], tolerance)
    return hd95, nsd


def _measured(found: Tensor, there: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """HD95 and NSD of maps (n, H, W), bool, none of them empty."""
    try:
        from monai.metrics.hausdorff_distance import compute_hausdorff_distance
        from monai.metrics.surface_dice import compute_surface_dice
    except ImportError as error:
        raise missing_extra("monai", "the distance of outlines") from error
    # The only channel is the lesion: to MONAI, "background" is the name of channel 0.
    pair = (found[:, None], there[:, None])
    with warnings.catch_warnings():
        # MONAI 1.6 calls its own function with an argument that it has deprecated.
        warnings.filterwarnings("ignore", "monai.metrics.utils get_mask_edges", FutureWarning)
        hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95)
        nsd = compute_surface_dice(*pair, [tolerance], include_background=True)
    return hd95[:, 0].double(), nsd[:, 0].double()
