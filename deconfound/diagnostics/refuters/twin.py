"""An unnamed confounder just like a named one: what it would leave of a linear effect, exactly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.base import LinearView
from deconfound.diagnostics.refuters.resampled_effects import ResampledEffects


class Twin(NamedTuple):
    """What a named confounder and its unnamed twin have in common, both of unit variance.

    Attributes:
        with_treatment: covariance with the treatment.
        with_outcome: covariance with the outcome.
    """

    with_treatment: float
    with_outcome: float


def twin_of(view: LinearView, control: int) -> Twin | None:
    """Measure one of the controls by itself; None where it is the same in every unit.

    Beside the others it would explain nothing more, as probabilities sum to one, and beside some of
    them what it explains depends on which.
    """
    named = view.controls[:, control].double()
    named = named - named.mean()
    size = named.square().mean().sqrt()
    if size < 1e-9:
        return None
    covariances = [
        float((named / size * (part - part.mean())).mean())
        for part in (view.treatment.double(), view.outcome.double())
    ]
    return Twin(*covariances)


def possible(twin: Twin, effects: ResampledEffects) -> bool:
    """Say whether the controls leave room for it: it needs a share of the treatment for itself.

    What is left for anything else must be more than rounding in every resample.
    """
    room = effects.spread - twin.with_treatment**2
    return bool((room > 1e-3 * effects.spread).all())


def left_beside(twin: Twin, effects: ResampledEffects, sign: float) -> Tensor:
    """Return the least effect that the twin can leave, (R,).

    The twin u is orthogonal to all controls, moves the treatment by c and the outcome by b, as its
    named one does: its covariance with the outcome is t c + b, where t is the true effect. Of what
    the controls leave, cov(D, Y) = t var(D) ± b c, as b and c may pull alike or against each
    other. Solved for t:

        t = (cov(D, Y) - c (t c + b)) / (var(D) - c²)   where they pull alike,
        t = (cov(D, Y) + c (t c + b)) / (var(D) + c²)   where they do not,

    and the smaller of the two is the least. Bounds by partial R² (Cinelli & Hazlett 2020, section
    4.4) would be too small where several are named: they set the twin's share against what one
    control leaves of treatment and outcome, not against what all of them do.

    Args:
        twin: of which `possible` is true.
        effects: what the controls leave.
        sign: of the effect that is to be undone, 1 or -1.
    """
    together = sign * effects.together
    pull, share = sign * twin.with_treatment * twin.with_outcome, twin.with_treatment**2
    alike = (together - pull) / (effects.spread - share)
    opposed = (together + pull) / (effects.spread + share)
    return sign * torch.minimum(alike, opposed)
