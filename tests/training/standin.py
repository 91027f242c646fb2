"""A small model, criterion and dataset that keep the contract of the loop, real enough to learn."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deconfound.types import Confounders, Explanation, Intervened, Regions

WIDTH = 8


class SmallSegmenter(nn.Module):
    """Convolutions with batch norm and dropout, and an intervention that is unused at first."""

    def __init__(self, classes: int = 1, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.classes = classes
        self.intervening = True
        self.tower = nn.Sequential(nn.Conv2d(3, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH))
        self.intervention = nn.Conv2d(WIDTH, WIDTH, 1)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Conv2d(WIDTH, classes, 1)

    def normalize(self, images: Tensor) -> Tensor:
        return (images - 0.5) / 0.25

    def trace(self, images: Tensor) -> Explanation:
        features = F.relu(self.tower(images))
        if self.intervening:
            features = features + self.intervention(features)
        tokens = features.flatten(2).transpose(1, 2)
        batch, places, _ = tokens.shape
        return Explanation(
            logits=self.head(self.drop(features)),
            scores=features.mean(1),
            regions=Regions(tokens, torch.arange(places).expand(batch, -1)),
            confounders=Confounders(torch.eye(2, WIDTH), torch.full((2,), 0.5), ("a", "b")),
            intervened=Intervened(tokens, torch.full((batch, places, 2), 0.5)),
            pooled=tokens.mean(1),
        )

    def explain(self, images: Tensor) -> Explanation:
        return self.trace(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.trace(images).logits

    def parameter_groups(self, lr: float, tower_factor: float = 1.0) -> list[dict[str, Any]]:
        tower = list(self.tower.parameters())
        rest = [*self.intervention.parameters(), *self.head.parameters()]
        return [{"params": rest, "lr": lr}, {"params": tower, "lr": lr * tower_factor}]


class SmallCriterion(nn.Module):
    """Cross-entropy, and a causal term once it is on; remembers when it was."""

    def __init__(self) -> None:
        super().__init__()
        self.causal_calls: list[bool] = []

    def forward(
        self, explanation: Explanation, mask: Tensor, class_index: Tensor, *, causal: bool
    ) -> dict[str, Tensor]:
        self.causal_calls.append(causal)
        logits = explanation.logits
        if logits.shape[1] == 1:
            seg = F.binary_cross_entropy_with_logits(logits[:, 0], mask.float())
        else:
            seg = F.cross_entropy(logits, mask)
        terms = {"seg": seg, "contrast": explanation.pooled.square().mean()}
        loss = seg + 0.1 * terms["contrast"]
        if causal:
            terms["causal"] = explanation.intervened.features.mean(1).square().mean()
            loss = loss + 0.5 * terms["causal"]
        return {"loss": loss, **terms}


class Disks:
    """Bright disks on noise, a function of (seed, epoch, index); class and site alternate."""

    def __init__(self, length: int = 12, size: int = 16, seed: int = 0, classes: int = 1) -> None:
        self.length, self.size, self.seed, self.classes = length, size, seed, classes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        source = torch.Generator().manual_seed(self.seed * 9973 + self.epoch * 101 + index)
        y, x = torch.meshgrid(torch.arange(self.size), torch.arange(self.size), indexing="ij")
        cy, cx = (torch.rand(2, generator=source) * self.size).tolist()
        mask = ((y - cy) ** 2 + (x - cx) ** 2 < (self.size / 4) ** 2).long()
        image = 0.3 * torch.rand(3, self.size, self.size, generator=source) + 0.6 * mask
        # A little of the global state too, as augmentation of other libraries draws from it.
        image = (image + 0.01 * torch.rand(())).clamp(0, 1)
        kind = index % 2
        label = mask * (1 + kind) if self.classes > 1 else mask
        item = {"image": image, "mask": label, "class_index": kind}
        return {**item, "site_index": index % 3, "index": index}
