"""One training that a refuter asks for: what in it is not as it was."""

from __future__ import annotations

from dataclasses import dataclass

from deconfound.types import Confounders


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What to train with.

    Attributes:
        confounders: the dictionary, in the place of the real one.
        seed: number of the repetition; 0 is the training that is doubted.
        dealt: a seed by which the outcomes of the training images are dealt out among them, see
            `DealtOutcomes`; None leaves them.
        regions: a seed by which the prompts that select regions are turned, see
            `turn_region_prompts`; None leaves them.
    """

    confounders: Confounders
    seed: int = 0
    dealt: int | None = None
    regions: int | None = None
