"""Sites, as a loss reads them: a check, and a classifier that names them."""

from __future__ import annotations

from torch import Tensor, nn

from deconfound.errors import DataError

WIDTH = 128
"""Hidden units of the classifier."""


class SiteClassifier(nn.Module):
    """Global average pooling, and a perceptron with one hidden layer.

    Args:
        channels: C, of the maps that are read.
        num_sites: S
    """

    def __init__(self, channels: int, num_sites: int) -> None:
        super().__init__()
        self.num_sites = num_sites
        self.layers = nn.Sequential(
            nn.Linear(channels, WIDTH), nn.ReLU(), nn.Linear(WIDTH, num_sites)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, S) of maps (B, C, h, w)."""
        return self.layers(maps.mean(dim=(2, 3)))


def require_sites(method: str, site_index: Tensor | None, num_sites: int) -> Tensor:
    """Return the sites of a batch, (B,), having seen that there are any and that each is known.

    Args:
        method: who asks, for the error.
        site_index: as the data set has it.
        num_sites: S

    Raises:
        DataError: no sites, or a number that is not in 0 … S - 1.
    """
    if site_index is None:
        raise DataError(
            f"{method}: expected a site_index for every picture, found none; name the sites, or "
            f"choose a method that needs none"
        )
    low, high = int(site_index.min()), int(site_index.max())
    if low < 0 or high >= num_sites:
        raise DataError(
            f"{method}: expected sites from 0 to {num_sites - 1}, found {low} to {high}; number "
            f"them anew"
        )
    return site_index
