"""One confounder that nobody named: how strong must it be to undo what is seen?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.stats import t as student

from deconfound.diagnostics.refuters.base import (
    SEEDS,
    HasLinearView,
    LinearView,
    Refutation,
    Refuter,
    Subject,
    Verdict,
)
from deconfound.diagnostics.refuters.sensitivity import (
    LinearEffect,
    adjusted_for,
    linear_effect,
    robustness_value,
    strength_like,
)
from deconfound.errors import DataError


class UnobservedConfounder(Refuter):
    """Adds to the strongest named confounder an unnamed one of the same strength.

    The effect is what is then left of the linear association between treatment and outcome; its
    robustness value stands in the reason. Supported: the interval of what is left keeps the sign.
    Refuted: nothing is left. It speaks of what the dictionary lacks, not of what it does.

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
        """Bound the bias; nothing is drawn, so the seeds do not matter."""
        if not isinstance(subject, HasLinearView):
            return self.without_answer(f"{type(subject).__name__} offers no linear view.")
        z = subject.dictionary()
        if len(z.names) < 2:
            return self.without_answer("One named confounder is always there: nothing varies.")
        view = subject.linear_view(z)
        try:
            effect = linear_effect(view.outcome, view.treatment, view.controls)
            strengths = [(strength_of(view, m), name) for m, name in enumerate(z.names)]
        except DataError as error:  # too few units, or a treatment that the reading explains
            return self.without_answer(f"{error}.")
        left = [(adjusted_for(effect, *one), name) for one, name in strengths if one is not None]
        if not left:
            return self.without_answer(
                f"An unnamed confounder must explain {robustness_value(effect):.1%} of treatment "
                f"and outcome, and none can be as strong as those that are named."
            )
        return self._judged(effect, *min(left, key=lambda one: _towards(effect, one[0].estimate)))

    def _judged(self, effect: LinearEffect, left: LinearEffect, name: str) -> Refutation:
        half = float(student.ppf((1 + self.level) / 2, left.freedom)) * left.error
        low, high = left.estimate - half, left.estimate + half
        nearest = min(_towards(effect, low), _towards(effect, high))
        gone = _towards(effect, left.estimate) <= 0
        reason = (
            f"Treatment and outcome go together by {effect.estimate:+.3f}; an unnamed confounder "
            f"must explain {robustness_value(effect):.1%} of both to undo it, and one as strong as "
            f"{name!r} leaves {left.estimate:+.3f} [{low:+.3f}, {high:+.3f}]."
        )
        verdict: Verdict = "supported" if nearest > 0 else "refuted" if gone else "inconclusive"
        return Refutation(self.name, left.estimate, low, high, verdict, reason, self.decisive)


def strength_of(view: LinearView, control: int) -> tuple[float, float] | None:
    """Bound a confounder as strong as one of the controls, as `strength_like`."""
    one = view.controls[:, control]
    # Probabilities sum to one: beside all the others, a control would explain nothing more.
    others = view.controls[:, [m for m in range(view.controls.shape[1]) if m != control][1:]]
    with_treatment = linear_effect(view.treatment, one, others).partial_r2
    given = torch.cat([others, view.treatment[:, None]], dim=1)
    return strength_like(with_treatment, linear_effect(view.outcome, one, given).partial_r2)


def _towards(effect: LinearEffect, value: float) -> float:
    """Return a value with its sign counted in the direction of the effect."""
    return value if effect.estimate > 0 else -value
