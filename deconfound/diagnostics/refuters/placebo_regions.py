"""Regions chosen by words that mean nothing: does it matter where the intervention acts?"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from deconfound.diagnostics.refuters.base import (
    SEEDS,
    HasRegionPrompts,
    Refutation,
    Refuter,
    Subject,
    require_seeds,
)
from deconfound.diagnostics.refuters.claims import MARGIN, Claim, finding, verdict
from deconfound.diagnostics.refuters.interval import interval
from deconfound.diagnostics.refuters.placebo import rotated
from deconfound.segmenter import CausalSegmenter


class PlaceboRegions(Refuter):
    """Turns the class embeddings that select regions; the dictionary stays.

    Refuted: any regions would have done, and what the method gains, it does not gain by selecting.

    Args:
        margin: what counts as a loss, in the unit of the score.
    """

    name = "placebo region prompts"
    asks = "Would any regions have done?"
    claim: Claim = "falls"
    decisive = False

    def __init__(self, margin: float = MARGIN) -> None:
        self.margin = margin

    def refute(self, subject: Subject, seeds: Sequence[int] = SEEDS) -> Refutation:
        """Compare the regions of the real prompts with those of placebos."""
        if not isinstance(subject, HasRegionPrompts):
            return self.without_answer(f"{type(subject).__name__} offers no other region prompts.")
        z = subject.dictionary()
        rows = [
            subject.with_placebo_regions(seed).estimate(z, seed) - subject.estimate(z, seed)
            for seed in require_seeds(seeds)
        ]
        found = interval(torch.stack(rows), subject.groups)
        judgement = verdict(self.claim, found, self.margin)
        told = finding(self.claim, found)
        reason = f"With regions chosen by prompts that point at nothing: {told}."
        return Refutation(self.name, *found, judgement, reason, self.decisive)


def turn_region_prompts(model: CausalSegmenter, seed: int) -> None:
    """Turn the class embeddings by which a model selects regions, by one random rotation.

    The model gets prompts of its own: a loss that compares with the classes keeps the real ones,
    or training would move the lesions to where the turned prompts point.
    """
    prompts = copy.deepcopy(model.prompts)
    prompts.classes = rotated(prompts.classes, seed)
    model.prompts = prompts
