"""Lesion classes as confounders: the mean feature of each (VC R-CNN)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.dictionaries.base import dictionaries
from deconfound.dictionaries.prototypes import Batch, PrototypeDictionary
from deconfound.errors import DataError, DeconfoundWarning


@dictionaries.register("class_means")
class ClassMeanDictionary(PrototypeDictionary):
    """Z = {mean feature of the lesions of class k}, P(z) = how often class k occurs.

    The dictionary of VC R-CNN (arXiv 2002.12204), where the mean is over the detector's feature of
    every object of a class. Here it is over lesions, each the mean of the dense features that its
    mask covers, weighted by the share of each grid cell.

    There, z is what else is in the picture: objects confound objects. A frame of endoscopy has one
    lesion, and its class is what is to be told, not what tangles it up. Adjusting for it removes
    nothing of lamp and lens; the dictionary is here to be compared with.

    Args:
        dim: d, the width of the joint space.
        prior: see `PrototypeDictionary`.
        groups: see `PrototypeDictionary`.
    """

    def fit(self, model: Any, loader: Iterable[Batch]) -> Self:
        """Average the lesions of every class of the model's pack.

        A class without a lesion gets a row of zeros and P(z) = 0, and a warning.

        Args:
            model: a `CausalSegmenter`; with ``classes=1`` a mask holds 0 and 1 and the class is
                ``class_index``, else a mask holds 0 to K.
            loader: batches with ``image`` (B, 3, H, W) in [0, 1], ``mask`` (B, H, W) and
                ``class_index`` (B,), -1 unknown.

        Raises:
            DataError: no lesion of a known class, or a batch that lacks an entry.
            ShapeError: a tower whose joint space is not d wide.
        """
        names = model.pack.class_names
        totals = torch.zeros(len(names), self.dim, dtype=torch.float64)
        counts = torch.zeros(len(names), dtype=torch.int64)
        for visual, batch in self.observe(model, loader, "mask", "class_index"):
            dense = F.normalize(visual.dense, dim=1).cpu().double()
            for k in range(len(names)):
                lesions = lesion_features(dense, _pixels(batch, k, binary=model.classes == 1))
                totals[k] += lesions.sum(dim=0)
                counts[k] += len(lesions)
        _check(counts, names)
        return self.hold(totals / counts.clamp_min(1)[:, None], counts, names)


def lesion_features(dense: Tensor, pixels: Tensor) -> Tensor:
    """Return the mean feature (d,) of each lesion, (n, d), for the n ≤ B images that show one.

    Args:
        dense: (B, d, h, w).
        pixels: (B, H, W), bool, where the lesion is.
    """
    height, width = dense.shape[-2:]
    shares = F.adaptive_avg_pool2d(pixels.to(dense.dtype)[:, None], (height, width)).flatten(1)
    shown = shares.sum(dim=1) > 0
    shares, features = shares[shown], dense[shown].flatten(2)
    return torch.einsum("nl,ndl->nd", shares / shares.sum(dim=1, keepdim=True), features)


def _pixels(batch: Batch, k: int, binary: bool) -> Tensor:
    """Return where class k is, (B, H, W)."""
    mask = batch["mask"].cpu()
    if not binary:
        return mask == k + 1
    return (mask > 0) & (torch.as_tensor(batch["class_index"]).cpu() == k)[:, None, None]


def _check(counts: Tensor, names: tuple[str, ...]) -> None:
    empty = [name for name, count in zip(names, counts.tolist(), strict=True) if not count]
    if len(empty) == len(names):
        raise DataError(
            f"class means: expected lesions of {', '.join(names)}, found none; give images with "
            f"masks and a known class"
        )
    if empty:
        warnings.warn(
            f"class means: found no lesion of {', '.join(empty)}, which gets P(z) = 0",
            DeconfoundWarning,
            stacklevel=3,
        )
