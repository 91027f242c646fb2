"""What is minimised, and by what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from deconfound.training.settings import TrainingSettings
from deconfound.types import Explanation


class Objective(nn.Module):
    """Images to loss in one forward, which is what DDP wraps."""

    def __init__(self, model: nn.Module, criterion: nn.Module) -> None:
        super().__init__()
        self.model: Any = model
        self.criterion = criterion

    def forward(
        self,
        image: Tensor,
        mask: Tensor,
        class_index: Tensor,
        weight: Tensor | None = None,
        site_index: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the criterion's terms; the causal one is on while the model intervenes.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            mask: (B, H, W), int64 class indices.
            class_index: (B,), int64, -1 unknown.
            weight: (B,), how much each image counts; None is all alike, and is not passed on.
            site_index: (B,), int64; passed on to a criterion that says ``reads_sites = True``.
        """
        more: dict[str, Tensor | None] = {} if weight is None else {"weight": weight}
        if getattr(self.criterion, "reads_sites", False):
            more["site_index"] = site_index
        on = bool(self.model.intervening)
        traced = self.model.trace(self.model.normalize(image))
        with torch.autocast(image.device.type, enabled=False):  # a loss in bf16 loses small terms
            return self.criterion(_in_float(traced), mask, class_index, causal=on, **more)


def _in_float(traced: Explanation) -> Explanation:
    """Return the record with what a criterion computes on in float32."""
    return replace(
        traced,
        logits=traced.logits.float(),
        regions=replace(traced.regions, features=traced.regions.features.float()),
        intervened=replace(traced.intervened, features=traced.intervened.features.float()),
        pooled=traced.pooled.float(),
        levels=tuple(level.float() for level in traced.levels),
    )


def adamw(model: Any, criterion: nn.Module, settings: TrainingSettings) -> AdamW:
    """Build the optimizer; each group keeps its full rate as ``initial_lr``.

    What the criterion itself learns, if anything, is trained at the full rate.
    """
    groups = list(model.parameter_groups(settings.lr, settings.tower_lr_factor))
    inside = {id(p) for p in model.parameters()}
    learned = [p for p in criterion.parameters() if p.requires_grad and id(p) not in inside]
    if learned:
        groups.append({"params": learned, "lr": settings.lr})
    for group in groups:
        group["initial_lr"] = group.setdefault("lr", settings.lr)
    return AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)
