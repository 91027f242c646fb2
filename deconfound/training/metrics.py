"""Dice, IoU and accuracy, per image and pooled, with the empty-mask policy said aloud.

Libraries disagree about images without a lesion (torchmetrics gives nan, others 1, others leave
out false positives on clean frames). Here: nothing there and nothing found scores ``BOTH_EMPTY``;
a lesion seen on a clean frame scores 0, as the formula says.

Counting is left to ``segmentation_models_pytorch.metrics.get_stats``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deconfound.errors import ShapeError

#: Dice and IoU of an image in which there is no lesion and none was predicted.
BOTH_EMPTY = 1.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Three shares between 0 and 1.

    Attributes:
        dice: 2·tp / (2·tp + fp + fn).
        iou: tp / (tp + fp + fn).
        acc: share of the pixels that are labelled right, background included.
    """

    dice: float
    iou: float
    acc: float


@dataclass(frozen=True, slots=True)
class ScoresRow:
    """The scores of one group of images.

    Attributes:
        kind: ``"overall"``, ``"class"`` or ``"site"``.
        name: the lesion class or site in words; ``"overall"`` for all images.
        images: how many images the row covers.
        mean: mean over images of the per-image scores, the field's usual figure.
        pooled: scores of all pixels counted together, so that large lesions weigh more.
    """

    kind: str
    name: str
    images: int
    mean: Scores
    pooled: Scores


@dataclass(frozen=True)
class MethodResult:
    """What one method reached on the images it was evaluated on.

    Attributes:
        method: in words ("baseline", "mcdrl").
        rows: overall first, then the lesion classes, then the sites.
        index: (images,), position of each image in the dataset, ascending.
        dice: (images,), per-image Dice in the order of ``index``: what paired comparisons need.
    """

    method: str
    rows: tuple[ScoresRow, ...]
    index: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    dice: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def overall(self) -> ScoresRow:
        """The row of all images."""
        return self.rows[0]

    def row(self, kind: str, name: str) -> ScoresRow | None:
        """Find a row, or None where no image belongs to it."""
        return next((row for row in self.rows if (row.kind, row.name) == (kind, name)), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers, for ``--json`` and results files."""
        rows = [asdict(row) for row in self.rows]
        images = {"index": self.index.tolist(), "dice": self.dice.tolist()}
        return {"method": self.method, "rows": rows, "per_image": images}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> MethodResult:
        """Read back what :meth:`to_json` wrote."""
        rows = tuple(
            ScoresRow(**{**row, "mean": Scores(**row["mean"]), "pooled": Scores(**row["pooled"])})
            for row in record["rows"]
        )
        images = record["per_image"]
        index = np.asarray(images["index"], dtype=np.int64)
        return cls(record["method"], rows, index, np.asarray(images["dice"], dtype=np.float64))


class SegmentationMetrics:
    """Collects four counts an image and class, and turns them into scores at the end.

    Args:
        num_classes: channels of the logits: 1 in the binary task, else K+1, background first.
        class_names: lesion classes in the order of ``class_index``; -1 belongs to none.
        site_names: sites in the order of ``site_index``.
    """

    def __init__(
        self, num_classes: int, class_names: Sequence[str] = (), site_names: Sequence[str] = ()
    ) -> None:
        self.num_classes = num_classes
        self.class_names = tuple(class_names)
        self.site_names = tuple(site_names)
        self._rows: list[Tensor] = []

    def update(
        self,
        logits: Tensor,
        mask: Tensor,
        class_index: Tensor,
        site_index: Tensor,
        index: Tensor | None = None,
    ) -> None:
        """Count one batch.

        Args:
            logits: (B, C, H, W); above 0 is lesion where C is 1, else the largest channel wins.
            mask: (B, H, W), int64 class indices.
            class_index: (B,), the image's lesion class, -1 for none or unknown.
            site_index: (B,), the image's site.
            index: (B,), position in the dataset; default: the order of arrival.

        Raises:
            ShapeError: logits and mask do not fit each other or ``num_classes``.
        """
        batch = len(mask)
        expected = (batch, self.num_classes, *mask.shape[1:])
        if logits.shape != expected:
            raise ShapeError(
                f"{type(self).__name__} expects logits of shape {expected} for a mask of shape "
                f"{tuple(mask.shape)}, got {tuple(logits.shape)}"
            )
        if index is None:
            index = torch.arange(len(self), len(self) + batch)
        counts = _counts(predicted_mask(logits).cpu(), mask.cpu(), self.num_classes)
        labels = torch.stack([index.cpu(), class_index.cpu(), site_index.cpu()], dim=1)
        self._rows.append(torch.cat([labels.long(), counts.flatten(1)], dim=1))

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows)

    @property
    def counts(self) -> Tensor:
        """(images, 3 + C·4), int64: index, class, site, then tp, fp, fn, tn of each channel."""
        width = 3 + 4 * self.num_classes
        return torch.cat([torch.zeros(0, width, dtype=torch.long), *self._rows])

    def merge(self, counts: Tensor) -> None:
        """Replace what was counted here by the counts of all processes.

        Args:
            counts: (images, 3 + C·4) as :attr:`counts` gives them; rows with a negative index are
                padding and are dropped.
        """
        counts = counts.cpu()
        self._rows = [counts[counts[:, 0] >= 0]]

    def result(self, method: str) -> MethodResult:
        """Return scores overall, per lesion class and per site, as far as there are images."""
        counts = self.counts.numpy()
        counts = counts[np.argsort(counts[:, 0], kind="stable")]
        index, classes, sites = counts[:, :3].T
        table = counts[:, 3:].reshape(len(counts), self.num_classes, 4)
        groups = [("overall", "overall", np.ones(len(counts), dtype=bool))]
        groups += [("class", name, classes == k) for k, name in enumerate(self.class_names)]
        groups += [("site", name, sites == s) for s, name in enumerate(self.site_names)]
        rows = tuple(
            _row(kind, name, table[picked]) for kind, name, picked in groups if picked.any()
        )
        return MethodResult(method, rows, index.copy(), per_image_scores(table)[:, 0])


def predicted_mask(logits: Tensor) -> Tensor:
    """Turn logits (B, C, H, W) into class indices (B, H, W), int64."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)


def _counts(predicted: Tensor, mask: Tensor, num_classes: int) -> Tensor:
    """(B, C, 4): tp, fp, fn, tn of each channel."""
    from segmentation_models_pytorch.metrics import get_stats

    if num_classes == 1:
        stats = get_stats(predicted[:, None], mask[:, None], mode="binary")
    else:
        stats = get_stats(predicted, mask, mode="multiclass", num_classes=num_classes)
    return torch.stack([count.long() for count in stats], dim=-1)


def _overlap(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dice and IoU, elementwise, with the empty-mask policy."""
    either = tp + fp + fn
    empty = either == 0
    dice = np.where(empty, BOTH_EMPTY, 2 * tp / np.maximum(either + tp, 1))
    return dice, np.where(empty, BOTH_EMPTY, tp / np.maximum(either, 1))


def per_image_scores(table: np.ndarray) -> np.ndarray:
    """Score every image by itself.

    With several lesion classes an image's Dice is the mean over the classes that are there or were
    predicted: counting absent classes as perfect would lift every image towards 1.

    Args:
        table: (images, C, 4), tp, fp, fn, tn.

    Returns:
        (images, 3): Dice, IoU, accuracy.
    """
    lesions = table if table.shape[1] == 1 else table[:, 1:]
    tp, fp, fn = np.moveaxis(lesions[..., :3], -1, 0)
    seen = (tp + fp + fn) > 0
    number = seen.sum(axis=1)
    scores = [
        np.where(number == 0, BOTH_EMPTY, (score * seen).sum(axis=1) / np.maximum(number, 1))
        for score in _overlap(tp, fp, fn)
    ]
    return np.stack([*scores, _accuracy(table)], axis=1)


def _accuracy(table: np.ndarray) -> np.ndarray:
    """(images,): share of pixels labelled right: tp + tn of one channel, else the sum of all tp."""
    right = table[:, 0, [0, 3]].sum(axis=1) if table.shape[1] == 1 else table[..., 0].sum(axis=1)
    return right / table[:, 0].sum(axis=1)


def _row(kind: str, name: str, table: np.ndarray) -> ScoresRow:
    mean = per_image_scores(table).mean(axis=0)
    pooled = per_image_scores(table.sum(axis=0, keepdims=True))[0]
    return ScoresRow(kind, name, len(table), Scores(*map(float, mean)), Scores(*map(float, pooled)))
