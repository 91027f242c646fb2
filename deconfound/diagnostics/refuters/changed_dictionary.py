"""What most refuters have in common: another dictionary, and a claim about the score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.base import (
    SEEDS,
    Refutation,
    Refuter,
    Subject,
    require_seeds,
)
from deconfound.diagnostics.refuters.claims import MARGIN, TOLERANCE, Claim, finding, verdict
from deconfound.diagnostics.refuters.interval import Interval, interval
from deconfound.types import Confounders


class ChangedDictionary(Refuter):
    """Estimates with the real dictionary and with a changed one, seed by seed.

    Args:
        margin: what counts as a change, in the unit of the score; by default 0.001 where the score
            is claimed to fall, 0.01 where it is claimed to stay.

    Attributes:
        claim: ``"falls"`` or ``"stays"``, what the score must do if the adjustment is real.
        what: what was done, to begin the sentence of the reason.
        in_vain: why nothing is asked where `change` returns None, to end it.
    """

    claim: Claim
    what: str
    in_vain: str = "this dictionary would stay as it is"

    def __init__(self, margin: float | None = None) -> None:
        default = MARGIN if self.claim == "falls" else TOLERANCE
        self.margin = default if margin is None else margin

    @abstractmethod
    def change(self, confounders: Confounders, seed: int) -> Confounders | None:
        """Return the changed dictionary, or None where there is none, see ``in_vain``."""

    def validate(self, subject: Subject, seeds: Sequence[int]) -> None:
        """Refuse a dictionary that cannot be changed in this way, see `Refuter.validate`."""
        for seed in require_seeds(seeds):
            self.change(subject.dictionary(), seed)

    def refute(self, subject: Subject, seeds: Sequence[int] = SEEDS) -> Refutation:
        """Compare the scores under both dictionaries."""
        rows = []
        for seed in require_seeds(seeds):
            changed = self.change(subject.dictionary(), seed)
            if changed is None:
                return self.without_answer(f"{self.what}, {self.in_vain}.")
            rows.append(change_of_score(subject, changed, seed))
        return self.judged(interval(torch.stack(rows), subject.groups))

    def judged(self, found: Interval) -> Refutation:
        """Hold a change against the claim."""
        judgement = verdict(self.claim, found, self.margin)
        reason = f"{self.what}: {finding(self.claim, found)}."
        return Refutation(self.name, *found, judgement, reason, self.decisive)


def change_of_score(subject: Subject, changed: Confounders, seed: int) -> Tensor:
    """Return (n,), by how much each unit's score moves from the real dictionary to another."""
    return subject.estimate(changed, seed) - subject.estimate(subject.dictionary(), seed)
