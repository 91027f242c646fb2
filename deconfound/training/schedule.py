"""When the intervention starts, and how large the steps are: functions of position in the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from deconfound.errors import ConfigurationError

LearningRateSchedule = Literal["cosine", "constant"]

#: Where the cosine ends, as a share of the full rate; zero would make the last steps idle.
FINAL_FACTOR = 0.01


@dataclass(frozen=True, slots=True)
class Schedule:
    """The progressive training of MCDRL (arXiv 2508.05008, "after the 10th epoch" of 50).

    Intervention and causal loss start together, at a share of the epochs, so that short runs reach
    them too. docs/decisions.md reads the paper as: 0-based epoch >= 10 of 50.

    Attributes:
        epochs: length of the run, at least 1.
        intervention_start: share of the epochs, in [0, 1], that come before the intervention.
            At 1 the intervention never starts; below, it is on in the last epoch at least.
    """

    epochs: int
    intervention_start: float = 0.2

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigurationError(f"a run needs at least 1 epoch, got epochs={self.epochs}")
        if not 0.0 <= self.intervention_start <= 1.0:
            raise ConfigurationError(
                f"intervention_start is a share of the epochs, between 0 and 1; "
                f"got {self.intervention_start}"
            )

    @property
    def first_intervening_epoch(self) -> int:
        """The 0-based epoch at which intervention and causal loss turn on."""
        if self.intervention_start == 1:
            return self.epochs
        return min(round(self.intervention_start * self.epochs), self.epochs - 1)

    def intervening(self, epoch: int) -> bool:
        """Say whether the intervention is on in the 0-based ``epoch``."""
        return epoch >= self.first_intervening_epoch


def learning_rate_factor(
    step: int, total_steps: int, kind: LearningRateSchedule = "cosine", warmup: float = 0.05
) -> float:
    """Return the share of the full learning rate to use at one step.

    Args:
        step: 0-based optimizer step, counted over the whole run.
        total_steps: number of optimizer steps of the whole run.
        kind: ``"cosine"``: linear warm-up, then half a cosine down to 1 %; ``"constant"``: always
            1, the paper's setting.
        warmup: share of the steps spent rising, cosine only.

    Returns:
        A factor in (0, 1].
    """
    if kind == "constant":
        return 1.0
    rising = math.ceil(warmup * total_steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = min(1.0, (step - rising) / max(1, total_steps - 1 - rising))
    return FINAL_FACTOR + (1.0 - FINAL_FACTOR) * 0.5 * (1.0 + math.cos(math.pi * done))
