"""What happened in each epoch: the lines of ``metrics.jsonl``, as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of one method.

    Attributes:
        method: which model ("baseline", "mcdrl").
        epoch: 0-based.
        intervening: whether intervention and causal loss were on.
        learning_rate: full rate at the epoch's last step.
        loss: mean training loss over the epoch's steps; seg, causal, contrast: its terms.
        val_dice: per-image mean on held-out patients of the training sites; val_iou, val_acc too.
        best: whether this epoch's weights became the ones to keep.
        images: training images seen in the epoch.
        seconds: wall-clock time of the epoch, validation included.
    """

    method: str
    epoch: int
    intervening: bool
    learning_rate: float
    loss: float
    seg: float
    causal: float
    contrast: float
    val_dice: float
    val_iou: float
    val_acc: float
    best: bool
    images: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the line of ``metrics.jsonl``."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> EpochRecord:
        """Read a line of ``metrics.jsonl`` back; keys of later versions are left out."""
        return cls(**{field.name: line[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class History:
    """The epochs of one method, in order."""

    records: tuple[EpochRecord, ...]

    @property
    def method(self) -> str:
        """The method whose history this is."""
        return self.records[0].method

    @property
    def best(self) -> EpochRecord:
        """The epoch whose weights were kept."""
        return [record for record in self.records if record.best][-1]

    @property
    def first_intervening_epoch(self) -> int | None:
        """The 0-based epoch at which the intervention turned on, None if it never did."""
        return next((record.epoch for record in self.records if record.intervening), None)

    def curve(self, name: str) -> np.ndarray:
        """Return one field over the epochs (``"loss"``, ``"val_dice"``, …); (epochs,), float64."""
        return np.array([getattr(record, name) for record in self.records], dtype=np.float64)

    @classmethod
    def of(cls, lines: Sequence[dict[str, Any]], method: str) -> History:
        """Pick one method's epochs out of the lines of a ``metrics.jsonl``."""
        records = (EpochRecord.from_json(line) for line in lines if line["method"] == method)
        return cls(tuple(records))
