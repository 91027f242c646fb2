"""How the world chooses: classes by the site, confounders by the site or, dialled, by the class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.simulation.draws import uniforms
from deconfound.simulation.names import ASSOCIATED, CLASSES, CONFOUNDERS, EXCLUSIVE
from deconfound.simulation.sites import Site

WEAKEST = 0.35
"""The least strength of an active confounder: visible to a person."""


def sample_classes(seed: int, indices: Sequence[int], site: Site, healthy: float = 0.0) -> Tensor:
    """Draw the lesion class of each picture from P(k | site).

    Args:
        seed: of the data set.
        indices: B image numbers.
        site: whose class prior.
        healthy: probability of no lesion at all.

    Returns:
        (B,) int64, -1 for healthy.

    Raises:
        ConfigurationError: ``healthy`` outside [0, 1].
    """
    _probability("sample_classes", "healthy", healthy)
    draws = uniforms(seed, indices, f"{site.name}/class", 2)
    prior = torch.tensor(site.class_prior).expand(len(indices), -1)
    return torch.where(draws[:, 1] < healthy, -1, _choose(prior, draws[:, 0]))


def sample_strengths(
    seed: int,
    indices: Sequence[int],
    site: Site,
    class_index: Tensor,
    correlation: float = 0.0,
    max_together: int = 3,
) -> Tensor:
    """Draw which confounders act on each picture, and how strongly.

    Between 1 and ``max_together`` act, uniformly, each with a strength uniform in [0.35, 1]. The
    first is the class's own (``ASSOCIATED``) with probability ``correlation``, otherwise it comes
    from P(z | site); the others come from P(z | site), without repetition and without those that
    contradict one already there (``EXCLUSIVE``). Healthy pictures have no confounder of their own.

    Args:
        seed: of the data set.
        indices: B image numbers.
        site: whose P(z | site).
        class_index: (B,), -1 for healthy.
        correlation: the class-confounder dial, 0 (independent given the site) to 1 (a function).
        max_together: the most confounders in one picture, 1 or more.

    Returns:
        (B, 12) float32, 0 or in [0.35, 1].

    Raises:
        ShapeError: not one class for each index.
        ConfigurationError: ``correlation`` outside [0, 1], ``max_together`` not between 1 and 9.
    """
    _probability("sample_strengths", "correlation", correlation)
    if not 1 <= max_together <= len(CONFOUNDERS) - len(EXCLUSIVE):
        raise ConfigurationError(
            f"sample_strengths: max_together must be 1 to {len(CONFOUNDERS) - len(EXCLUSIVE)}, "
            f"found {max_together}; choose fewer, for some confounders exclude each other"
        )
    if class_index.shape != (len(indices),):
        raise ShapeError(
            f"sample_strengths: class_index must be ({len(indices)},), one class for each index, "
            f"found {tuple(class_index.shape)}"
        )
    draws = uniforms(seed, indices, f"{site.name}/confounders", 2 + 2 * max_together)
    count = 1 + (draws[:, 0] * max_together).floor()
    possible = torch.tensor(site.confounder_prior).repeat(len(indices), 1)
    strengths = torch.zeros_like(possible)
    bound = (draws[:, 1] < correlation) & (class_index >= 0)
    own = torch.tensor([CONFOUNDERS.index(ASSOCIATED[name]) for name in CLASSES])
    for turn in range(max_together):
        chosen = _choose(possible, draws[:, 2 + 2 * turn])
        if turn == 0:
            chosen = torch.where(bound, own[class_index.clamp(min=0).long()], chosen)
        picked = torch.nn.functional.one_hot(chosen, len(CONFOUNDERS)).float()
        strength = WEAKEST + (1 - WEAKEST) * draws[:, 3 + 2 * turn]
        strengths += picked * (strength * (turn < count))[:, None]
        possible = possible * (1 - picked) * (1 - picked @ _CONTRADICTS)
    return strengths


def _choose(weights: Tensor, draw: Tensor) -> Tensor:
    """Invert the cumulative distribution: (B, n) weights and (B,) uniforms to (B,) positions."""
    cumulative = weights.double().cumsum(dim=1)
    reached = cumulative <= (draw.double() * cumulative[:, -1])[:, None]
    return reached.sum(dim=1)


def _probability(function: str, name: str, value: float) -> None:
    """Refuse what is no probability."""
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{function}: {name} must lie in [0, 1], found {value}; change it")


def _contradictions() -> Tensor:
    """Build the (12, 12) matrix of confounders that exclude each other."""
    matrix = torch.zeros(len(CONFOUNDERS), len(CONFOUNDERS))
    for one, other in EXCLUSIVE:
        first, second = CONFOUNDERS.index(one), CONFOUNDERS.index(other)
        matrix[first, second] = matrix[second, first] = 1
    return matrix


_CONTRADICTS = _contradictions()
