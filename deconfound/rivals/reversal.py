"""An adversary: it learns to name the site, and what it reads learns to keep the site from it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.errors import ConfigurationError
from deconfound.rivals.sites import SiteClassifier


def reverse_gradient(x: Tensor, scale: Tensor) -> Tensor:
    """Return x as it is; its gradient is multiplied by ``-scale`` on the way back.

    Ganin et al. (JMLR 2016, arXiv 1505.07818), the gradient reversal layer.

    Args:
        x: of any shape.
        scale: a scalar; 0 lets no gradient through.
    """
    return _GradientReversal.apply(x, scale)


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scale)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (scale,) = ctx.saved_tensors
        return -scale.to(gradients[0]) * gradients[0], None


class SiteAdversary(nn.Module):
    """A site classifier behind a gradient reversal that is turned up slowly.

    The classifier learns at the full rate from the first step; what reaches the features is scaled
    by strength · (2 / (1 + exp(-10 p)) - 1), p being the share of the ramp that is over
    (arXiv 1505.07818, section 5.2.2). Steps are counted in a buffer, so that a resumed training
    goes on where it was; only training counts.

    Args:
        channels: C, of the maps that are read.
        num_sites: S
        strength: of the reversed gradient at the end of the ramp, 0 or more.
        ramp_steps: training steps that the ramp takes, 1 or more.

    Raises:
        ConfigurationError: a strength or a number of steps out of its range.
    """

    step: Tensor

    def __init__(self, channels: int, num_sites: int, strength: float, ramp_steps: int) -> None:
        super().__init__()
        if strength < 0 or ramp_steps < 1:
            raise ConfigurationError(
                f"site adversary: expected a strength ≥ 0 and a ramp of 1 step or more, found "
                f"{strength} and {ramp_steps}"
            )
        self.classifier = SiteClassifier(channels, num_sites)
        self.strength = strength
        self.ramp_steps = ramp_steps
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @property
    def scale(self) -> Tensor:
        """What the gradient is reversed with at this step, a scalar in [0, strength]."""
        progress = (self.step / self.ramp_steps).clamp(max=1)
        return self.strength * (2 / (1 + torch.exp(-10 * progress)) - 1)

    def forward(self, maps: Tensor, site_index: Tensor) -> Tensor:
        """Return the cross-entropy of the sites, a scalar.

        Args:
            maps: (B, C, h, w).
            site_index: (B,), int64.
        """
        sites = self.classifier(reverse_gradient(maps, self.scale))
        if self.training:
            self.step += 1
        return F.cross_entropy(sites, site_index)
