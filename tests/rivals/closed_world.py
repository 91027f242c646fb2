"""A world of maps that takes no model: one direction says the lesion, another one the site."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from deconfound.losses import SegmentationLoss
from deconfound.testing.strategies import generator

CHANNELS = 8
SITES = 2


class SegmentationAlone(nn.Module):
    """The plain loss, where nothing but logits is at hand."""

    def __init__(self, kind: str = "ce") -> None:
        super().__init__()
        self.segmentation = SegmentationLoss(kind)

    def forward(self, explanation, mask, class_index, *, causal=True, weight=None):
        seg = self.segmentation(explanation.logits, mask, weight)
        return {"loss": seg, "seg": seg}


def told(logits: Tensor, *levels: Tensor) -> SimpleNamespace:
    """Return what a criterion reads of an explanation."""
    return SimpleNamespace(logits=logits, levels=levels)


def draw_maps(seed: int, count: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Return maps (B, 8, 4, 4), masks that one direction of them says, and the sites."""
    g = generator(seed)
    lesion, site = torch.linalg.qr(torch.randn(CHANNELS, 2, generator=generator(7)))[0].T
    mask = torch.randint(2, (count, 4, 4), generator=g)
    sites = torch.randint(SITES, (count,), generator=g)
    style = 2.0 * sites - 1 + 0.5 * torch.randn(count, generator=g)  # sites overlap a little
    maps = 0.3 * torch.randn(count, CHANNELS, 4, 4, generator=g)
    maps += torch.einsum("c,bhw->bchw", lesion, 2.0 * mask - 1)
    maps += torch.einsum("c,b->bc", site, style)[..., None, None]
    return maps, mask, sites
