"""Image and mask, moved together, and the same way for the same item of the same epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2


class JointAugment:
    """Mild augmentation of an image with its mask.

    What is drawn depends on (seed, epoch, index) and nothing else, so a resumed run, another
    number of workers or another order sees the same pictures. The global random state is left as
    it was.

    Args:
        seed: of the run; not negative.
        degrees: largest rotation.
        translate: largest shift, as a share of the side.
        scale: smallest and largest zoom.
        jitter: strength of the change in brightness, contrast and saturation.
        hue: largest shift of the hue, as a share of the circle; it costs as much as all the rest,
            and is off by default.
    """

    def __init__(
        self,
        seed: int = 0,
        degrees: float = 15.0,
        translate: float = 0.05,
        scale: tuple[float, float] = (0.9, 1.1),
        jitter: float = 0.2,
        hue: float = 0.0,
    ) -> None:
        self.seed = seed
        self._transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomVerticalFlip(),
                v2.RandomAffine(
                    degrees,
                    (translate, translate),
                    scale,
                    interpolation=v2.InterpolationMode.BILINEAR,
                ),
                v2.ColorJitter(jitter, jitter, jitter, hue),
            ]
        )

    def __call__(
        self, image: Tensor, mask: Tensor, epoch: int, index: int
    ) -> tuple[Tensor, Tensor]:
        """Augment one item.

        Args:
            image: (3, H, W) uint8.
            mask: (H, W) uint8; moved by nearest neighbour, so no new value appears.
            epoch: of the run; not negative.
            index: of the item, or of one more draw of it; not negative.

        Returns:
            Image and mask of the same shapes and types.
        """
        state = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1, np.uint64)[0]
        pair: tuple[Any, Any] = (tv_tensors.Image(image), tv_tensors.Mask(mask))
        with torch.random.fork_rng(devices=[]):
            # Only the CPU's generator: torch.manual_seed would also reseed the accelerators.
            torch.default_generator.manual_seed(int(state))
            image, mask = self._transform(*pair)
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)
