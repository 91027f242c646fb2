"""Region selection: which locations, how many, and that the rest is left alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ConfigurationError
from deconfound.selectors import MTRS, AllRegions, RegionSelector, scatter, similarity_map
from deconfound.testing import RegionSelectorContract
from deconfound.testing.strategies import class_embeddings, dense_maps


class TestMTRS(RegionSelectorContract):
    def make(self) -> RegionSelector:
        return MTRS(alpha=0.4)


class TestAllRegions(RegionSelectorContract):
    def make(self) -> RegionSelector:
        return AllRegions()


@given(
    alpha=st.floats(1e-6, 1, exclude_min=False),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_number_of_regions_is_the_clamped_ceiling(alpha: float, height: int, width: int) -> None:
    expected = min(max(math.ceil(alpha * height * width), 1), height * width)
    found = MTRS(alpha)(torch.randn(1, 4, height, width), torch.randn(2, 4))
    assert found.index.shape == (1, expected)


@given(dense=dense_maps(), text=class_embeddings())
def test_the_kept_locations_score_at_least_as_high_as_the_others(dense, text) -> None:
    scores = similarity_map(dense, text).flatten(1)
    kept = MTRS(0.5)(dense, text).index
    for row, chosen in zip(scores, kept, strict=True):
        others = torch.ones_like(row, dtype=torch.bool)
        others[chosen] = False
        assert not others.any() or row[chosen].min() >= row[others].max()


@given(dense=dense_maps(), text=class_embeddings())
def test_similarity_against_numpy(dense, text) -> None:
    c, e = dense.numpy(), text.numpy()
    cosine = np.einsum("bdhw,kd->bkhw", c, e) / (
        np.linalg.norm(c, axis=1, keepdims=True) * np.linalg.norm(e, axis=1)[None, :, None, None]
    )
    np.testing.assert_allclose(similarity_map(dense, text), cosine.max(1), atol=1e-5)


def test_similarity_is_blind_to_length_and_defined_at_zero() -> None:
    dense, text = torch.randn(2, 8, 3, 3), torch.randn(2, 8)
    torch.testing.assert_close(similarity_map(7 * dense, 0.1 * text), similarity_map(dense, text))
    assert (similarity_map(dense * 0, text) == 0).all()


@given(dense=dense_maps())
def test_unselected_locations_stay_bit_for_bit(dense) -> None:
    found = MTRS(0.3)(dense, torch.randn(2, dense.shape[1]))
    changed = scatter(dense, found.index, found.features + 1)
    kept = torch.zeros(dense.flatten(2).shape[::2], dtype=torch.bool)
    kept.scatter_(1, found.index, True)
    moved = (changed != dense).any(dim=1).flatten(1)
    assert torch.equal(moved, kept)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.01, float("nan")])
def test_alpha_outside_its_range(alpha: float) -> None:
    with pytest.raises(ConfigurationError, match=r"alpha must lie in \(0, 1\], found"):
        MTRS(alpha)
