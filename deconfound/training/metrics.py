"""Dice, IoU and accuracy, per image and pooled; `deconfound.overlap` has the formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deconfound.errors import ShapeError
from deconfound.overlap import confusion_counts, per_image_scores, predicted_mask


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
        counts = confusion_counts(predicted_mask(logits).cpu(), mask.cpu(), self.num_classes)
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


def _row(kind: str, name: str, table: np.ndarray) -> ScoresRow:
    mean = per_image_scores(table).mean(axis=0)
    pooled = per_image_scores(table.sum(axis=0, keepdims=True))[0]
    return ScoresRow(kind, name, len(table), Scores(*map(float, mean)), Scores(*map(float, pooled)))
