"""Hypothesis strategies for worlds with a known P(Y|do(F))."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from deconfound.simulation.scm import DiscreteSCM
from deconfound.testing.strategies import DIM, generator, seeds


def _table(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """Draw positive probabilities in float64 that sum to one over the last axis."""
    raw = torch.rand(shape, generator=g, dtype=torch.float64) + 0.05
    return raw / raw.sum(dim=-1, keepdim=True)


@st.composite
def scms(
    draw: st.DrawFn,
    strength: st.SearchStrategy[float] = st.floats(0, 0.99),  # noqa: B008 (strategies are values)
    least: int = 1,
    dim: int = DIM,
) -> DiscreteSCM:
    """Draw a confounding triangle with ``least`` to 5 confounders, features and outcomes.

    Args:
        draw: given by hypothesis.
        strength: of the confounding.
        least: fewest confounders and features.
        dim: width of the vectors.
    """
    m, n, k = (draw(st.integers(low, 5)) for low in (least, least, 2))
    preferred = draw(st.lists(st.integers(0, n - 1), min_size=m, max_size=m))
    g = generator(draw(seeds))
    return DiscreteSCM(
        prior=_table((m,), g),
        base=_table((n,), g),
        preferred=tuple(preferred),
        strength=draw(strength),
        outcome=_table((n, m, k), g),
        features=torch.randn(n, dim, generator=g, dtype=torch.float64),
        confounders=torch.randn(m, dim, generator=g, dtype=torch.float64),
    )
