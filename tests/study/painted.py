"""A model that predicts what is painted on its images, so that every prediction is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deconfound.data.memory import MemoryDataset
from deconfound.training.distributed import Fabric, launch
from deconfound.training.settings import TrainingSettings


class Reader(nn.Module):
    """Reads the label map in the first channel of an image, label k being painted as k / 255."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.classes = classes

    def normalize(self, images: Tensor) -> Tensor:
        return images

    def forward(self, images: Tensor) -> Tensor:
        labels = (255 * images[:, 0]).round().long()
        if self.classes == 1:
            return labels[:, None].float() - 0.5
        return nn.functional.one_hot(labels, self.classes).movedim(-1, 1).float()


def painted(predicted: Tensor, mask: Tensor) -> MemoryDataset:
    """Return a dataset on which `Reader` predicts ``predicted`` where ``mask`` is true."""
    images = predicted.to(torch.uint8)[:, None].repeat(1, 3, 1, 1)
    number = torch.arange(len(mask))
    return MemoryDataset(images, mask.to(torch.uint8), number % 2, number % 3)


def scene(seed: int, images: int = 7, classes: int = 1, size: int = 12) -> tuple[Tensor, Tensor]:
    """Return predicted and true label maps (images, size, size), of boxes; some are empty."""
    source = torch.Generator().manual_seed(seed)
    maps = torch.zeros(2, images, size, size, dtype=torch.long)
    for one in maps.flatten(0, 1):
        top, left, height, width = torch.randint(0, size // 2, (4,), generator=source).tolist()
        label = int(torch.randint(1, classes + 1, (1,), generator=source))
        one[top : top + height, left : left + width] = label
    return maps[0], maps[1]


def cpu() -> Fabric:
    return launch(TrainingSettings(accelerator="cpu"))
