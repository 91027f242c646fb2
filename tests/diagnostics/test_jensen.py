"""The Jensen gap: nothing for affine heads, the variance for a square, positive for convex ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deconfound.diagnostics import jensen_gap
from deconfound.errors import ShapeError
from deconfound.testing.strategies import seeds


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Effects (B, M, N, d) of at least two confounders, and their prior."""
    batch, count, regions = (
        draw(st.integers(1, 3)),
        draw(st.integers(2, 5)),
        draw(st.integers(1, 4)),
    )
    g = torch.Generator().manual_seed(draw(seeds))
    prior = torch.rand(count, generator=g, dtype=torch.float64) + 0.05
    effects = torch.randn(batch, count, regions, 6, generator=g, dtype=torch.float64)
    return effects, prior / prior.sum()


@given(seed=seeds, count=st.sampled_from([2, 4, 8]))
def test_it_is_exactly_zero_for_an_affine_head(seed, count) -> None:
    """In numbers that binary arithmetic holds exactly, not a bit is left."""
    g = torch.Generator().manual_seed(seed)

    def integers(*shape: int) -> Tensor:
        return torch.randint(-8, 9, shape, generator=g).double()

    matrix, offset = integers(6, 3), integers(3)
    prior = torch.full((count,), 1 / count, dtype=torch.float64)
    gap = jensen_gap(lambda x: x @ matrix + offset, integers(2, count, 4, 6), prior)
    assert torch.equal(gap, torch.zeros(2, 4, 3, dtype=torch.float64))


@given(case=cases(), seed=seeds)
def test_it_is_zero_for_any_affine_head_but_for_rounding(case, seed) -> None:
    torch.manual_seed(seed)
    head = torch.nn.Linear(6, 3).double().requires_grad_(False)
    assert jensen_gap(head, *case).abs().max() < 1e-13


@given(case=cases())
def test_of_a_square_it_is_the_variance(case) -> None:
    effects, prior = case
    mean = torch.einsum("m,bmnd->bnd", prior, effects)
    variance = torch.einsum("m,bmnd->bnd", prior, (effects - mean[:, None]).square())
    torch.testing.assert_close(jensen_gap(torch.square, effects, prior), variance)


@given(case=cases())
@pytest.mark.parametrize("head", [torch.exp, torch.nn.functional.softplus, torch.cosh])
def test_it_is_positive_for_a_convex_head(head, case) -> None:
    assert (jensen_gap(head, *case) > 0).all()
    assert (jensen_gap(lambda x: -head(x), *case) < 0).all()


@given(case=cases())
def test_it_is_zero_where_confounders_do_the_same(case) -> None:
    effects, prior = case
    same = effects[:, :1].expand_as(effects)
    assert jensen_gap(torch.exp, same, prior).abs().max() < 1e-12


def test_a_head_that_gives_maps() -> None:
    effects, prior = torch.randn(2, 3, 4, 5), torch.tensor([0.5, 0.25, 0.25])
    gap = jensen_gap(lambda x: x.square().transpose(1, 2).unflatten(-1, (2, 2)), effects, prior)
    assert gap.shape == (2, 5, 2, 2)


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"expected effects \(B, M, N, d\) and a prior \(M,\)"):
        jensen_gap(torch.exp, torch.zeros(2, 3, 4, 5), torch.ones(4) / 4)
