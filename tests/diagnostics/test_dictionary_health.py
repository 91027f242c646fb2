"""Dictionary health: rank between its bounds, blind to rotation, and no duplicate missed."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.diagnostics import dictionary_health, effective_rank
from deconfound.errors import ConfigurationError
from deconfound.testing.strategies import DIM, confounders, seeds
from deconfound.types import Confounders


def named(rows: torch.Tensor) -> Confounders:
    names = tuple(f"z{m}" for m in range(len(rows)))
    return Confounders(rows, torch.full((len(rows),), 1 / len(rows)), names)


@given(z=confounders())
def test_the_effective_rank_lies_between_one_and_the_rank(z) -> None:
    health = dictionary_health(z)
    rank = torch.linalg.matrix_rank(z.embeddings.double()).item()
    assert 1 - 1e-12 <= health.effective_rank <= rank + 1e-9


@given(z=confounders())
def test_the_effective_rank_against_numpy(z) -> None:
    rows = z.embeddings.double().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.linalg.svd(rows, compute_uv=False)
    shares = shares / shares.sum()
    expected = math.exp(-sum(p * math.log(p) for p in shares if p > 0))
    assert dictionary_health(z).effective_rank == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_orthogonal_rows_fill_as_many_directions_and_parallel_ones_fill_one(count) -> None:
    apart = dictionary_health(named(torch.eye(DIM)[:count] * 3))
    assert apart.effective_rank == pytest.approx(count)
    assert apart.near_duplicates == ()
    alike = dictionary_health(named(torch.ones(count, DIM)))
    assert alike.effective_rank == pytest.approx(1, abs=1e-6)
    assert len(alike.near_duplicates) == count * (count - 1) // 2


@given(z=confounders(), seed=seeds, lengths=st.floats(0.1, 10))
def test_rotation_and_length_change_nothing(z, seed, lengths) -> None:
    g = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(DIM, DIM, generator=g, dtype=torch.float64)).Q
    turned = Confounders(lengths * z.embeddings.double() @ rotation, z.prior, z.names)
    before, after = dictionary_health(z), dictionary_health(turned)
    torch.testing.assert_close(after.gram, before.gram, atol=1e-12, rtol=0)
    assert after.effective_rank == pytest.approx(before.effective_rank, rel=1e-9)


@given(z=confounders(), data=st.data(), noise=st.floats(0, 0.1))
def test_a_near_duplicate_is_found_with_its_cosine(z, data, noise) -> None:
    chosen = data.draw(st.integers(0, len(z.names) - 1))
    other = z.embeddings[chosen] + noise * z.embeddings[chosen].roll(1)
    twice = named(torch.cat([z.embeddings, other[None]]))
    found = {pair.names: pair.cosine for pair in dictionary_health(twice).near_duplicates}
    cosine = torch.cosine_similarity(z.embeddings[chosen].double(), other.double(), dim=0).item()
    assert cosine > 0.95
    assert found[f"z{chosen}", f"z{len(z.names)}"] == pytest.approx(cosine, abs=1e-9)


@given(z=confounders(), threshold=st.floats(-0.9, 1))
def test_pairs_are_those_above_the_threshold_most_alike_first(z, threshold) -> None:
    health = dictionary_health(z, threshold)
    cosines = [pair.cosine for pair in health.near_duplicates]
    assert cosines == sorted(cosines, reverse=True)
    above = torch.triu(health.gram >= threshold - 1e-9, diagonal=1)
    assert len(cosines) == above.sum()
    for pair in health.near_duplicates:
        i, j = (health.names.index(name) for name in pair.names)
        assert i < j
        assert pair.cosine == health.gram[i, j].item()


def test_a_repeated_row_is_found_at_a_threshold_of_one() -> None:
    rows = torch.randn(3, DIM)
    health = dictionary_health(named(torch.cat([rows, rows[1:2] * 7])), threshold=1)
    assert [pair.names for pair in health.near_duplicates] == [("z1", "z3")]


def test_the_gram_matrix_is_of_cosines() -> None:
    health = dictionary_health(named(torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, -2.0]])))
    half = 0.5**0.5
    expected = torch.tensor([[1, half, 0], [half, 1, -half], [0, -half, 1]], dtype=torch.float64)
    torch.testing.assert_close(health.gram, expected)
    with pytest.raises(FrozenInstanceError):
        health.gram = expected


@pytest.mark.parametrize("threshold", [-1, 1.01, float("nan")])
def test_a_threshold_that_is_no_cosine(threshold) -> None:
    with pytest.raises(ConfigurationError, match=r"a cosine in \(-1, 1\], found"):
        dictionary_health(named(torch.eye(2)), threshold)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_an_embedding_without_a_direction(value) -> None:
    rows = torch.eye(3)
    rows[1] = value
    with pytest.raises(ConfigurationError, match="expected 'z1' to have an embedding with a dir"):
        dictionary_health(named(rows))
    with pytest.raises(ConfigurationError, match="expected a row that is not zero"):
        effective_rank(torch.zeros(2, 3))
