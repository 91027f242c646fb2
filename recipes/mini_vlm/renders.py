"""Pictures to train and to test on: every site, class and confounder, all independent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from deconfound.simulation import CLASSES, CONFOUNDERS, SITES, Scenes, render
from deconfound.simulation.names import EXCLUSIVE
from deconfound.training.files import write_atomically

from .model import IMAGE_SIZE

BLOCK = 40
"""Pictures rendered at once, all of one site; sites take turns."""

PARTNER = {CONFOUNDERS.index(a): CONFOUNDERS.index(b) for p in EXCLUSIVE for a, b in (p, p[::-1])}


@dataclass(frozen=True, slots=True)
class Mixture:
    """How pictures are drawn: class, site and confounders independently of one another.

    Attributes:
        fewest: confounders in a picture, at least.
        most: at most; every count in between is as likely.
        weakest: least strength of a confounder that is there; the greatest is 1.
        healthy: share of pictures without a lesion.
    """

    fewest: int = 0
    most: int = 3
    weakest: float = 0.2
    healthy: float = 0.1


@dataclass(frozen=True, slots=True)
class Renders:
    """Pictures with their causes.

    Attributes:
        images: (B, 3, S, S) uint8.
        class_index: (B,) int64, -1 for healthy mucosa.
        strengths: (B, 12) float32.
        lesion: (B, S, S) bool, where the lesion is; None where it is not kept, as in training.
    """

    images: Tensor
    class_index: Tensor
    strengths: Tensor
    lesion: Tensor | None = None


def draw_causes(seed: int, count: int, mixture: Mixture) -> tuple[Tensor, Tensor]:
    """Draw classes (count,) and strengths (count, 12); of an exclusive pair only one is there."""
    draw = np.random.default_rng(seed)
    class_index = draw.integers(0, len(CLASSES), count)
    class_index[draw.random(count) < mixture.healthy] = -1
    strengths = np.zeros((count, len(CONFOUNDERS)), np.float32)
    for row in strengths:
        wanted = draw.integers(mixture.fewest, mixture.most + 1)
        for k in draw.permutation(len(CONFOUNDERS)):
            if np.count_nonzero(row) == wanted:
                break
            if k not in PARTNER or row[PARTNER[k]] == 0:
                row[k] = draw.uniform(mixture.weakest, 1)
    return torch.from_numpy(class_index), torch.from_numpy(strengths)


def draw_renders(
    seed: int,
    count: int,
    mixture: Mixture,
    masks: bool = False,
    tick: Callable[[int], None] = lambda done: None,
) -> Renders:
    """Render pictures.

    Args:
        seed: of scenes and causes; another seed gives other patients.
        count: how many.
        mixture: how causes are drawn.
        masks: keep where lesions are.
        tick: told how many more pictures are there.
    """
    class_index, strengths = draw_causes(seed, count, mixture)
    images = torch.empty(count, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.uint8)
    lesion = torch.empty(count, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.bool) if masks else None
    for block, start in enumerate(range(0, count, BLOCK)):
        rows = range(start, min(start + BLOCK, count))
        here = slice(rows.start, rows.stop)
        scenes = Scenes.sample(seed, rows, SITES[block % len(SITES)], class_index[here])
        pictures, found = render(scenes, strengths[here], size=IMAGE_SIZE)
        images[here] = (pictures * 255).round().to(torch.uint8)
        if lesion is not None:
            lesion[here] = found > 0
        tick(len(rows))
    return Renders(images, class_index, strengths, lesion)


def keep(renders: Renders, path: Path) -> None:
    """Write pictures for training, so that a resumed run need not render again."""
    tensors = {
        "images": renders.images,
        "class_index": renders.class_index,
        "strengths": renders.strengths,
    }
    write_atomically(path, lambda partial: save_file(tensors, partial))


def kept(path: Path) -> Renders:
    """Read what `keep` wrote."""
    return Renders(**load_file(path))
