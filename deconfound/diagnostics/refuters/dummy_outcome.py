"""Outcomes that nothing in the picture causes: is the yardstick itself straight?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.base import (
    SEEDS,
    HasOutcomes,
    Refutation,
    Subject,
    require_seeds,
)
from deconfound.diagnostics.refuters.changed_dictionary import change_of_score
from deconfound.diagnostics.refuters.interval import interval
from deconfound.diagnostics.refuters.placebo import PlaceboDictionary
from deconfound.errors import ConfigurationError


class DummyOutcome(PlaceboDictionary):
    """Deals the outcomes out at random, then compares the real dictionary with a placebo.

    With outcomes that F does not cause, no dictionary can be better than another. Where the
    difference stays, the score rewards something else than being right.

    A deal can suit one dictionary by chance, so every seed deals several times and counts their
    mean: in closed-form worlds one deal leaves 8 of 100 real adjustments inconclusive.

    Args:
        margin: how large a difference may remain, in the unit of the score.
        deals: how often each seed deals.

    Raises:
        ConfigurationError: no deal.
    """

    name = "dummy outcome"
    asks = "Does the score reward being right, and nothing else?"
    claim = "stays"
    what = "From real to placebo dictionary, with outcomes dealt out at random"

    def __init__(self, margin: float | None = None, deals: int = 2) -> None:
        super().__init__(margin)
        if deals < 1:
            raise ConfigurationError(f"DummyOutcome: expected deals of at least 1, found {deals}")
        self.deals = deals

    def refute(self, subject: Subject, seeds: Sequence[int] = SEEDS) -> Refutation:
        """Compare the two dictionaries where neither can help."""
        if not isinstance(subject, HasOutcomes):
            return self.without_answer(
                f"{type(subject).__name__} has no outcomes that can be dealt out at random."
            )
        rows = [self._row(subject, seed) for seed in require_seeds(seeds)]
        return self.judged(interval(torch.stack(rows), subject.groups))

    def _row(self, subject: HasOutcomes, seed: int) -> Tensor:
        """Return the mean change (n,) over the deals of a seed; each has a placebo of its own."""
        changes = []
        for deal in range(self.deals * seed, self.deals * (seed + 1)):
            dummy = subject.with_shuffled_outcomes(deal)
            changed = self.change(dummy.dictionary(), deal)
            changes.append(change_of_score(dummy, changed, deal))
        return torch.stack(changes).mean(dim=0)
