"""P(Y|do(F)) for a discrete F: by weights, and by weights and an outcome model together."""

from __future__ import annotations

from einops import einsum
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError


def weighted_outcome(
    observed: Tensor, class_index: Tensor, weights: Tensor, num_classes: int
) -> Tensor:
    """Return Σ_i w_i y_i / Σ_i w_i over the images of each class (Hájek 1971), (K, C).

    With weights of one this is E[Y|k], with those of :func:`balancing_weights` E[Y|do(k)].

    Args:
        observed: y, (n, C); one-hot where Y is a category.
        class_index: k, (n,) int64, 0 to K-1.
        weights: w, (n,), not negative.
        num_classes: K

    Raises:
        ShapeError: arguments that do not fit each other.
        ConfigurationError: a class of which no image has a weight, or one outside 0 to K-1.
    """
    if observed.ndim != 2 or not class_index.shape == weights.shape == observed.shape[:1]:
        raise ShapeError(
            f"weighted outcome: expected outcomes (n, C) with n classes and n weights, found "
            f"{tuple(observed.shape)}, {tuple(class_index.shape)} and {tuple(weights.shape)}"
        )
    require_classes(class_index, num_classes)
    total = weights.new_zeros(num_classes).index_add(0, class_index, weights)
    if not bool((total > 0).all()):
        raise ConfigurationError(
            f"weighted outcome: expected images with a weight for each of {num_classes} classes, "
            f"found weights of {total.tolist()} in all"
        )
    weighed = weights[:, None] * observed
    sums = weighed.new_zeros(num_classes, observed.shape[1]).index_add(0, class_index, weighed)
    return sums / total[:, None]


def doubly_robust(
    outcome: Tensor,
    prior: Tensor,
    posterior: Tensor,
    observed: Tensor,
    class_index: Tensor,
    weights: Tensor,
) -> Tensor:
    """Return E[Y|do(k)] by an outcome model, corrected by the weighted mean of its errors.

    ::

        Σ_z P(z) A(k, z)  +  Σ_{i: k_i = k} w_i (y_i - Σ_z P(z|x_i) A(k, z)) / Σ_{i: k_i = k} w_i

    Augmented inverse-propensity weighting (Robins, Rotnitzky and Zhao, JASA 1994), normalised.
    Where A is right its errors average to 0 under any weights that depend on (k, z) alone; where
    the weights are right, whatever A adds in the first term it loses in the second. One of the two
    has to be right.

    Args:
        outcome: A(k, z) = E[Y|k, z] as the model has it, (K, M, C).
        prior: P(z), (M,).
        posterior: P(z|x), (n, M); one-hot where z is known.
        observed: y, (n, C).
        class_index: k, (n,) int64, 0 to K-1.
        weights: w, (n,), from :func:`balancing_weights`.

    Returns:
        (K, C), in double precision, whatever came in.

    Raises:
        ShapeError: arguments that do not fit each other.
        ConfigurationError: a class of which no image has a weight, or one outside 0 to K-1.
    """
    shape = (*posterior.shape[1:], *observed.shape[1:])
    if outcome.shape[1:] != shape or prior.shape != shape[:1]:
        raise ShapeError(
            f"doubly robust: expected an outcome model (K, M, C) with (M, C) = {shape} and a prior "
            f"(M,), found {tuple(outcome.shape)} and {tuple(prior.shape)}"
        )
    require_classes(class_index, len(outcome))
    # A regression comes in double precision, what a model reads in single.
    outcome, prior, posterior = outcome.double(), prior.double(), posterior.double()
    observed, weights = observed.double(), weights.double()
    standardised = einsum(prior, outcome, "m, k m c -> k c")
    expected = einsum(posterior, outcome[class_index], "n m, n m c -> n c")
    return standardised + weighted_outcome(observed - expected, class_index, weights, len(outcome))


def require_classes(class_index: Tensor, num_classes: int) -> None:
    """Raise ConfigurationError unless every class lies between 0 and K-1."""
    if bool(((class_index < 0) | (class_index >= num_classes)).any()):
        raise ConfigurationError(
            f"weighted outcome: expected classes from 0 to {num_classes - 1}, found "
            f"{sorted(set(class_index.tolist()))}; leave out images of unknown class"
        )
