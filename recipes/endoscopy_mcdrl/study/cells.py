"""What is trained: one cell a model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One model: trained on all sites but one, and scored on that one.

    Attributes:
        method: see `methods.method_names`.
        backbone: a vision-language model, as ``--vlm`` takes it.
        holdout: the site that training never sees.
        seed: of splits, initial weights and order.
        setting: the method's hyper-parameters, sorted by name.
        depth: intervention layers, where they are varied; None is the recipe's.
        prompts: size of the dictionary, where it is varied; None is the pack's.
    """

    method: str
    backbone: str
    holdout: str
    seed: int = 0
    setting: Pairs = ()
    depth: int | None = None
    prompts: int | None = None

    @property
    def name(self) -> str:
        """The cell's folder: what a person looks for, then what tells settings apart."""
        words = [self.holdout, self.backbone, self.method, f"seed{self.seed}"]
        written = json.dumps(asdict(self), sort_keys=True)
        digest = hashlib.sha256(written.encode()).hexdigest()[:8]
        return f"{file_name('_'.join(words))}_{digest}"

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Cell:
        """Read back what ``dataclasses.asdict`` and JSON made of a cell."""
        return cls(**{**values, "setting": pairs(dict(values["setting"]))})


def file_name(words: str) -> str:
    """Return words as a file may be called anywhere, whatever a site is called."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", words)


def pairs(setting: Mapping[str, Any]) -> Pairs:
    """Return hyper-parameters as a cell holds them: sorted, and lists as tuples."""
    frozen = {name: tuple(v) if isinstance(v, list) else v for name, v in setting.items()}
    return tuple(sorted(frozen.items()))


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What is known of a finished cell besides its images.

    Attributes:
        cell: what was trained.
        validation_dice: best mean Dice on held-out patients of the training sites, 0 to 1.
        parameters: of the intervention alone, in numbers.
        latency: of one image through the whole model, in milliseconds, median of several.
        seconds: of training and scoring.
        device: what it ran on, in words.
        oracle: whether the epoch was chosen by the held-out site.
    """

    cell: Cell
    validation_dice: float
    parameters: int
    latency: float
    seconds: float
    device: str
    oracle: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> CellRecord:
        """Read back what ``dataclasses.asdict`` and JSON made of a record."""
        return cls(**{**values, "cell": Cell.from_mapping(values["cell"])})
