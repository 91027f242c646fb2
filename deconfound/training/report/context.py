"""What a report is made of: plain records and arrays, so that it depends on no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from deconfound.errors import ConfigurationError
from deconfound.training.history import History
from deconfound.training.metrics import MethodResult

if TYPE_CHECKING:
    from deconfound.diagnostics import WhatWasUsed


@dataclass(frozen=True)
class ConfounderEntry:
    """One confounder of the dictionary, in the order of the weights.

    Attributes:
        name: in words ("uneven lighting").
        group: its group in words ("lighting").
        prior: P(z), between 0 and 1.
    """

    name: str
    group: str
    prior: float


@dataclass(frozen=True)
class Example:
    """One image and what was made of it.

    Attributes:
        title: lesion class, site and image in words.
        image: (H, W, 3) or (3, H, W), float in [0, 1].
        truth: (H, W), class indices, 0 background.
        predictions: method -> (H, W), class indices.
        dice: method -> the image's Dice.
        scores: (h, w), Ŝ of the region selector.
        kept: (h, w), true where the selector kept a location.
        weights: (M,), attention over the confounders, mean over the regions; None without them.
    """

    title: str
    image: np.ndarray
    truth: np.ndarray
    predictions: Mapping[str, np.ndarray]
    dice: Mapping[str, float]
    scores: np.ndarray
    kept: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Adjusted:
    """One training image, as it was found and as the adjustment made it.

    Attributes:
        title: lesion class and site in words.
        image: (H, W, 3) or (3, H, W), float in [0, 1].
        truth: (H, W), class indices, 0 background.
        made_image: the same of what was trained with.
        made_truth: its labels.
    """

    title: str
    image: np.ndarray
    truth: np.ndarray
    made_image: np.ndarray
    made_truth: np.ndarray


@dataclass(frozen=True)
class Weighed:
    """One training image, and how much it counts.

    Attributes:
        title: lesion class and site in words.
        image: (H, W, 3) or (3, H, W), float in [0, 1].
        truth: (H, W), class indices, 0 background.
        weight: in units of the mean image's.
    """

    title: str
    image: np.ndarray
    truth: np.ndarray
    weight: float


@dataclass(frozen=True)
class ReportContext:
    """Everything the page says.

    Attributes:
        title: of the page.
        held_out: the site no model saw in training.
        ran: what ran, label -> value, in order: task, sites, data, VLM, decoder, seed, …
        results: one per method, the baseline first.
        histories: one per method, in the same order.
        confounders: the dictionary, in the order of the examples' weights.
        examples: images of the held-out site.
        adjusted: training images whose confounder was set.
        weighed: of each class the training image that counts most, and that which counts least.
        class_names: lesion classes; more than one colour is used where ``multiclass``.
        multiclass: whether masks tell classes apart.
        command: how to get the numbers again.
        config: every setting, shown folded.
        notes: what a reader must know before using a number ("rendered images", "oracle").
        created: date and time in words.
        used: what the last method's model used; the section is left out where it is None.
        oracle: whether the held-out site itself chose the weights (docs/decisions.md).
    """

    title: str
    held_out: str
    ran: Mapping[str, str]
    results: tuple[MethodResult, ...]
    histories: tuple[History, ...] = ()
    confounders: tuple[ConfounderEntry, ...] = ()
    examples: tuple[Example, ...] = ()
    adjusted: tuple[Adjusted, ...] = ()
    weighed: tuple[tuple[Weighed, Weighed], ...] = ()
    class_names: tuple[str, ...] = ()
    multiclass: bool = False
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    created: str = ""
    used: WhatWasUsed | None = None
    oracle: bool = False

    def __post_init__(self) -> None:
        if not self.results:
            raise ConfigurationError("a report needs the result of at least one method, got none")
        if len(self.histories) not in (0, len(self.results)):
            raise ConfigurationError(
                f"a report needs a history for each of its {len(self.results)} results or none, "
                f"got {len(self.histories)}"
            )
        for example in self.examples:
            weights = example.weights
            if weights is not None and weights.shape != (len(self.confounders),):
                raise ConfigurationError(
                    f"example {example.title!r}: expected one weight for each of the "
                    f"{len(self.confounders)} confounders, got shape {weights.shape}"
                )
