"""What it costs to average before the head rather than after it."""

from __future__ import annotations

from torch import Tensor

from deconfound.estimators.levels import Head, average_outcomes


def jensen_gap(head: Head, effects: Tensor, prior: Tensor) -> Tensor:
    """Return E_z[H(A(f, z))] - H(E_z[A(f, z)]), element by element (docs/decisions.md).

    It is 0 for an affine head, at least 0 for a convex one, and to second order half the head's
    curvature times the variance of A over z: it is large where the confounders do different things
    to a region *and* the head bends between them. Where it is small, the cheap average at the level
    of features is as good as the exact one.

    Args:
        head: H, from features (B', N, d) to any outcome with B' in front: logits, or
            probabilities where H ends in a sigmoid or softmax.
        effects: A(f, z_m), (B, M, N, d), as an intervention's ``effects`` gives them.
        prior: P(z), (M,), sums to one.

    Returns:
        The gap in the unit of the head's output, (B, …).

    Raises:
        ShapeError: effects that are not (B, M, N, d) with M priors.
    """
    after = average_outcomes(head, effects, prior, "logit")
    return after - average_outcomes(head, effects, prior, "feature")
