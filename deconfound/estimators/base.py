"""The interface of an estimator: an outcome model, regions and a dictionary in; F_ca out.

An outcome model A(f, z) says what a region would look like under one confounder. An estimator says
how the sum over confounders is taken, and knows of the model only that it can be called. So the
arrow points from ``interventions/``, which hold outcome models and name an estimator, to here, and
nothing here knows an intervention: there is no circle, and an estimator serves the effects of any
layer that declares them, a table of probabilities included.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from einops import einsum, rearrange
from torch import Tensor

from deconfound.component import Component
from deconfound.errors import ConfigurationError
from deconfound.registry import Registry
from deconfound.types import Confounders, Intervened, Regions

Effects = Callable[[Regions, Confounders], Tensor]
"""A(f, z_m) for every m: regions (B, N, d) and M confounders give (B, M, N, d)."""


class Estimator(Component, ABC):
    """Takes Σ_z w(z) A(f, z); has no parameters, so that one set of them serves every estimator."""

    @abstractmethod
    def forward(self, effects: Effects, regions: Regions, confounders: Confounders) -> Intervened:
        """Average an outcome model over the dictionary.

        Args:
            effects: the outcome model; must accept any number of confounders.
            regions: features (B, N, d).
            confounders: embeddings (M, d), prior (M,).

        Returns:
            Intervened with features (B, N, d) and the weights (B, N, M) by which each confounder
            counted, which sum to one over M.
        """


def average(effects: Tensor, weights: Tensor, features: Tensor) -> Tensor:
    """Return Σ_m w_m A(f, z_m), written as f + Σ_m w_m (A(f, z_m) - f).

    The two are equal where weights sum to one. Written as a change, an outcome model that changes
    nothing is the identity bit for bit, whatever the rounding of the weights.

    Args:
        effects: A, (B, M, N, d).
        weights: w, (B, N, M) or broadcastable to it, one in sum over M.
        features: f, (B, N, d).

    Returns:
        (B, N, d).
    """
    change = effects - rearrange(features, "b n d -> b 1 n d")
    weights = weights.expand(*features.shape[:2], -1)
    return features + einsum(weights, change, "b n m, b m n d -> b n d")


def prior_weights(regions: Regions, prior: Tensor) -> Tensor:
    """Return P(z) for every region: (B, N, M)."""
    return prior.expand(*regions.features.shape[:2], -1)


estimators: Registry[Estimator] = Registry("estimator", "deconfound.estimators")


def resolve_estimator(spec: Estimator | str | Mapping[str, Any]) -> Estimator:
    """Return the estimator that is meant: a ready one, a name, or a mapping with ``name``.

    Raises:
        UnknownNameError: a name or an option that is not known.
        ConfigurationError: something else, or an option out of its range.
    """
    if isinstance(spec, Estimator):
        return spec
    if isinstance(spec, str | Mapping):
        return estimators.build(spec)
    raise ConfigurationError(
        f"expected an estimator, its name, or a mapping with `name`, "
        f"found {type(spec).__qualname__}"
    )
