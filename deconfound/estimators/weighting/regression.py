"""An outcome model by weighted least squares; standardised, it is doubly robust by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import einsum
from torch import Tensor

from deconfound.errors import ShapeError
from deconfound.estimators.weighting.doubly_robust import require_classes


def regress_outcome(
    observed: Tensor,
    posterior: Tensor,
    class_index: Tensor,
    weights: Tensor,
    num_classes: int,
    *,
    interactions: bool = True,
) -> Tensor:
    """Return A(k, z) that is nearest to y in weighted squares, (K, M, C).

    ::

        y ≈ Σ_z P(z|x) A(k, z),    A(k, z) free, or A(k, z) = a_k + b_z

    Every class has a coefficient of its own, so the weighted errors of each class average to zero:
    the correction of :func:`doubly_robust` vanishes, and Σ_z P(z) A(k, z) alone is that estimate
    (Kang and Schafer, "Demystifying double robustness", Statistical Science 2007). It is right
    where the form of A is, whatever the weights, and where the weights are, whatever the form.

    Args:
        observed: y, (n, C); one-hot where Y is a category.
        posterior: P(z|x), (n, M); one-hot where z is known.
        class_index: k, (n,) int64, 0 to K-1.
        weights: w, (n,), not negative.
        num_classes: K
        interactions: whether A may depend on k and z jointly. Of the best fits the one with the
            least coefficients is taken: 0 for a pair that no image shows.

    Raises:
        ShapeError: arguments that do not fit each other.
        ConfigurationError: a class outside 0 to K-1.
    """
    count = observed.shape[:1]
    fits = observed.ndim == posterior.ndim == 2 and posterior.shape[:1] == count
    if not fits or not class_index.shape == weights.shape == count:
        raise ShapeError(
            f"outcome regression: expected outcomes (n, C) and posteriors (n, M) with n classes "
            f"and n weights, found {tuple(observed.shape)}, {tuple(posterior.shape)}, "
            f"{tuple(class_index.shape)} and {tuple(weights.shape)}"
        )
    require_classes(class_index, num_classes)
    z, root = posterior.detach().double(), weights.detach().double().sqrt()[:, None]
    terms = _terms(F.one_hot(class_index, num_classes).double(), z, interactions)
    found = torch.linalg.pinv(root * terms) @ (root * observed.detach().double())
    classes, confounders = (torch.arange(n, device=z.device) for n in (num_classes, z.shape[1]))
    k, m = torch.meshgrid(classes, confounders, indexing="ij")
    pairs = _terms(
        F.one_hot(k.flatten(), num_classes).double(),
        F.one_hot(m.flatten(), z.shape[1]).double(),
        interactions,
    )
    return (pairs @ found).unflatten(0, k.shape)


def _terms(k: Tensor, z: Tensor, interactions: bool) -> Tensor:
    """Return what A is linear in: a term for each pair, or for each class and each confounder."""
    if interactions:
        return einsum(k, z, "n k, n m -> n k m").flatten(1)
    return torch.cat([k, z], dim=1)
