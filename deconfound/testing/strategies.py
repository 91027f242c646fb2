"""Hypothesis strategies for the records that flow through the model."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor

from deconfound.types import Confounders, Regions

# A suite's tests are inherited by several classes; each must still shrink and replay on its own.
inherited = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)

DIM = 16
seeds = st.integers(0, 2**16)


def generator(seed: int) -> torch.Generator:
    """Return a generator of its own, so that no test depends on another's draws."""
    return torch.Generator().manual_seed(seed)


@st.composite
def dense_maps(draw: st.DrawFn, dim: int = DIM) -> Tensor:
    """Draw a map (B, d, h, w) of a small batch on any small grid, h ≠ w included."""
    batch, height, width = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    return torch.randn(batch, dim, height, width, generator=generator(draw(seeds)))


@st.composite
def class_embeddings(draw: st.DrawFn, dim: int = DIM) -> Tensor:
    """Draw K unit vectors (K, d)."""
    vectors = torch.randn(draw(st.integers(1, 5)), dim, generator=generator(draw(seeds)))
    return torch.nn.functional.normalize(vectors, dim=-1)


@st.composite
def regions(draw: st.DrawFn, dim: int = DIM) -> Regions:
    """Draw N regions of a batch, at distinct positions."""
    batch, count = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    g = generator(draw(seeds))
    index = torch.stack([torch.randperm(2 * count, generator=g)[:count] for _ in range(batch)])
    return Regions(torch.randn(batch, count, dim, generator=g), index)


@st.composite
def confounders(draw: st.DrawFn, dim: int = DIM) -> Confounders:
    """Draw M named unit vectors with a prior that has no zeros."""
    count, g = draw(st.integers(1, 6)), generator(draw(seeds))
    vectors = torch.nn.functional.normalize(torch.randn(count, dim, generator=g), dim=-1)
    prior = torch.rand(count, generator=g) + 0.05
    return Confounders(vectors, prior / prior.sum(), tuple(f"z{m}" for m in range(count)))
