"""Outcomes that nothing in the picture causes: is the yardstick itself straight?"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deconfound.diagnostics.refuters.base import SEEDS, HasOutcomes, Refutation, Subject
from deconfound.diagnostics.refuters.changed_dictionary import change_of_score, require_seeds
from deconfound.diagnostics.refuters.interval import interval
from deconfound.diagnostics.refuters.placebo import PlaceboDictionary


class DummyOutcome(PlaceboDictionary):
    """Deals the outcomes out at random, then compares the real dictionary with a placebo.

    With outcomes that F does not cause, no dictionary can be better than another. Where the
    difference stays, the score rewards something else than being right.

    Args:
        margin: how large a difference may remain, in the unit of the score.
    """

    name = "dummy outcome"
    asks = "Does the score reward being right, and nothing else?"
    claim = "stays"
    what = "From real to placebo dictionary, with outcomes dealt out at random"

    def refute(self, subject: Subject, seeds: Sequence[int] = SEEDS) -> Refutation:
        """Compare the two dictionaries where neither can help."""
        if not isinstance(subject, HasOutcomes):
            return self.without_answer(
                f"{type(subject).__name__} has no outcomes that can be dealt out at random."
            )
        rows = []
        for seed in require_seeds(seeds):
            dummy = subject.with_shuffled_outcomes(seed)
            changed = self.change(dummy.dictionary(), seed)
            rows.append(change_of_score(dummy, changed, seed))
        return self.judged(interval(torch.stack(rows), subject.groups))
