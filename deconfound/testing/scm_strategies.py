"""Hypothesis strategies for worlds with a known P(Y|do(F))."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from deconfound.simulation.names import CLASSES, CONFOUNDERS
from deconfound.simulation.scm import (
    SETTABLE,
    DiscreteSCM,
    Edge,
    HiddenSCM,
    MediatedSCM,
    Mediator,
    RenderedSCM,
)
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
    pairs: tuple[int, int] = (1, 1),
) -> DiscreteSCM:
    """Draw a confounding triangle with ``least`` to 5 confounders, features and outcomes.

    Args:
        draw: given by hypothesis.
        strength: of the confounding.
        least: fewest confounders and features.
        dim: width of the vectors.
        pairs: what each confounder, and each outcome, is paired with: as many times more of them.
    """
    m, n, k = (draw(st.integers(low, 5)) for low in (least, least, 2))
    m, k = m * pairs[0], k * pairs[1]
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


@st.composite
def hidden_scms(draw: st.DrawFn) -> HiddenSCM:
    """Draw a triangle with 1 to 3 values of a confounder that is not seen."""
    count = draw(st.integers(1, 3))
    return HiddenSCM(draw(scms(pairs=(count, 1))), count)


@st.composite
def mediated_scms(draw: st.DrawFn) -> MediatedSCM:
    """Draw a triangle with 1 to 3 values of a mediator."""
    count = draw(st.integers(1, 3))
    return MediatedSCM(draw(scms(pairs=(1, count))), count)


@st.composite
def rendered_scms(draw: st.DrawFn) -> RenderedSCM:
    """Draw a world of pictures: any edges, mediators and hidden cause, at any strength."""
    lesions, shares = st.sampled_from(CLASSES), st.floats(0, 1)
    arrows = st.builds(Edge, lesions, st.sampled_from(SETTABLE))
    effects = st.builds(Mediator, lesions, st.sampled_from(CONFOUNDERS), shares)
    return RenderedSCM(
        name="drawn",
        edges=tuple(draw(st.lists(arrows, max_size=8, unique=True))),
        strength=draw(shares),
        mediators=tuple(draw(st.lists(effects, max_size=2))),
        unobserved=draw(shares),
        others=draw(st.integers(0, 3)),
    )
