"""What a confounder looks like at one level: channel statistics over weighted pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from deconfound.errors import DataError, ShapeError
from deconfound.precision import in_double

EPSILON = 1e-5


def channel_statistics(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the locations of maps (B, C, h, w): (B, C) each."""
    variance, mean = torch.var_mean(maps, dim=(2, 3), correction=0)
    return mean, (variance + EPSILON).sqrt()


def with_statistics(maps: Tensor, mean: Tensor, std: Tensor, amount: float = 1.0) -> Tensor:
    """Give each picture other channel statistics: AdaIN (arXiv 1703.06868).

    A channel that is constant over the locations becomes the mean.

    Args:
        maps: (B, C, h, w).
        mean: to be had afterwards, (B, C).
        std: likewise, (B, C).
        amount: 0 leaves the maps' own statistics, 1 sets the others, and between lies between.
    """
    own_mean, own_std = channel_statistics(maps)
    mean, std = own_mean.lerp(mean, amount), own_std.lerp(std, amount)
    scale = (std / own_std)[..., None, None]
    return (maps - own_mean[..., None, None]) * scale + mean[..., None, None]


class Moments:
    """Running sums over pictures, from which the statistics of each confounder follow.

    Sums, and no running averages, so that the order and the sizes of batches do not matter; in
    double precision.

    Args:
        names: the M confounders in words.
        channels: C
    """

    def __init__(self, names: tuple[str, ...], channels: int) -> None:
        self.names = names
        self.weight = torch.zeros(len(names), dtype=torch.float64)
        self.means = torch.zeros(len(names), channels, dtype=torch.float64)
        self.variances = torch.zeros(len(names), channels, dtype=torch.float64)

    def add(self, maps: Tensor, posterior: Tensor) -> None:
        """Count pictures (B, C, h, w) by their posterior (B, M).

        Raises:
            ShapeError: a posterior of another shape.
        """
        if posterior.shape != (len(maps), len(self.names)):
            raise ShapeError(
                f"feature statistics: expected posteriors ({len(maps)}, {len(self.names)}), "
                f"found {tuple(posterior.shape)}"
            )
        shares = posterior.detach().cpu().double().T
        mean, std = (part.cpu() for part in channel_statistics(in_double(maps)))
        self.weight += shares.sum(dim=1)
        self.means += shares @ mean
        self.variances += shares @ std.square()

    def statistics(self, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (M, C) of a typical picture of each confounder.

        The mean of the pictures' means, and the root of the mean of their variances: what varies
        *within* a picture. How far pictures lie apart does not widen it.

        Args:
            prior: P(z), (M,); what never occurs need not have been seen, and gets zeros.

        Raises:
            DataError: a confounder that occurs and that no picture shows.
        """
        unseen = [n for n, w, p in zip(self.names, self.weight, prior, strict=True) if p and not w]
        if unseen:
            raise DataError(
                f"feature statistics: expected pictures of every confounder, found none of "
                f"{unseen[0]!r}; give it a prior of zero or show some"
            )
        weight = torch.where(self.weight > 0, self.weight, 1)[:, None]
        return self.means / weight, (self.variances / weight).sqrt()
