"""One confounder that nobody named: how strong must it be to undo what is seen?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.base import (
    SEEDS,
    HasLinearView,
    LinearView,
    Refutation,
    Refuter,
    Subject,
    Verdict,
    require_seeds,
)
from deconfound.diagnostics.refuters.interval import Interval, percentiles, resampled
from deconfound.diagnostics.refuters.resampled_effects import resampled_effects
from deconfound.diagnostics.refuters.sensitivity import (
    LinearEffect,
    linear_effect,
    robustness_value,
)
from deconfound.diagnostics.refuters.twin import left_beside, possible, twin_of
from deconfound.errors import DataError


class UnobservedConfounder(Refuter):
    """Adds to the strongest named confounder an unnamed one of the same strength.

    The effect is what is then left of the linear association between treatment and outcome; its
    robustness value stands in the reason. Supported: the interval of what is left keeps the sign.
    Refuted: nothing is left. It speaks of what the dictionary lacks, not of what it does.

    The interval is a bootstrap over seeds and patients at once, as for every refuter; how strong
    the unnamed confounder is stays as it was assumed.

    Args:
        level: of the interval.
    """

    name = "unobserved confounder"
    asks = "Could a confounder that nobody named, as strong as the strongest named one, undo it?"
    scale = "association of treatment and outcome"
    decisive = False

    def __init__(self, level: float = 0.95) -> None:
        self.level = level

    def refute(self, subject: Subject, seeds: Sequence[int] = SEEDS) -> Refutation:
        """Bound the bias; nothing is drawn, so the seeds are those of the estimates alone."""
        if not isinstance(subject, HasLinearView):
            return self.without_answer(f"{type(subject).__name__} offers no linear view.")
        z = subject.dictionary()
        if len(z.names) < 2:
            return self.without_answer("One named confounder is always there: nothing varies.")
        view = _pooled([subject.linear_view(z, seed) for seed in require_seeds(seeds)])
        of_seeds, of_units = resampled(len(seeds), subject.groups)
        drawn = (of_seeds[:, :, None] * of_units[:, None, :]).flatten(1)
        try:
            return self._answer(view, drawn, z.names)
        except DataError as error:  # too few units, or a treatment that the reading explains
            return self.without_answer(f"{error}.")

    def _answer(self, view: LinearView, drawn: Tensor, names: Sequence[str]) -> Refutation:
        """Take the named confounder whose like would undo most; drawn is (R, units)."""
        effect = linear_effect(view.outcome, view.treatment, view.controls)
        sign = math.copysign(1, effect.estimate)
        every = torch.cat([torch.ones_like(drawn[:1]), drawn])  # as it was seen, then resampled
        effects = resampled_effects(view, every)
        twins = {name: twin_of(view, m) for m, name in enumerate(names)}
        left = {
            name: left_beside(twin, effects, sign)
            for name, twin in twins.items()
            if twin is not None and possible(twin, effects)
        }
        if not left:
            return self.without_answer(
                f"An unnamed confounder must explain {robustness_value(effect):.1%} of treatment "
                f"and outcome, and none can be as strong as those that are named."
            )
        name = min(left, key=lambda one: sign * left[one][0].item())
        found = percentiles(left[name][0].item(), left[name][1:], self.level)
        return self._judged(effect, found, name)

    def _judged(self, effect: LinearEffect, found: Interval, name: str) -> Refutation:
        nearest = min(_towards(effect, found.low), _towards(effect, found.high))
        gone = _towards(effect, found.effect) <= 0
        reason = (
            f"Treatment and outcome are associated by {effect.estimate:+z.3f}; an unnamed "
            f"confounder must explain {robustness_value(effect):.1%} of both to undo it, and one "
            f"as strong as {name!r} leaves {found.effect:+z.3f} "
            f"[{found.low:+z.3f}, {found.high:+z.3f}]."
        )
        verdict: Verdict = "supported" if nearest > 0 else "refuted" if gone else "inconclusive"
        return Refutation(self.name, *found, verdict, reason, self.decisive)


def _pooled(views: Sequence[LinearView]) -> LinearView:
    """Put what was seen under several seeds below each other; the effect is that of all."""
    return LinearView(
        torch.cat([view.outcome for view in views]),
        torch.cat([view.treatment for view in views]),
        torch.cat([view.controls for view in views]),
    )


def _towards(effect: LinearEffect, value: float) -> float:
    """Return a value with its sign counted in the direction of the effect."""
    return value if effect.estimate > 0 else -value
