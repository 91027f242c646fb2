"""Distances of outlines against brute force over all pairs of pixels, and what is known of them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.study.surface import surface_scores

seeds = st.integers(0, 2**31)


def outline(lesion: np.ndarray) -> np.ndarray:
    """Coordinates of the pixels with a neighbour, along an edge, that is no lesion."""
    padded = np.pad(lesion, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(lesion & ~inside)


def brute_force(predicted: np.ndarray, mask: np.ndarray, tolerance: float) -> tuple[float, float]:
    if not predicted.any() or not mask.any():
        agree = predicted.any() == mask.any()
        return (0.0, 1.0) if agree else (math.dist((0, 0), mask.shape), 0.0)
    apart = cdist(outline(predicted), outline(mask))
    there, back = apart.min(axis=1), apart.min(axis=0)
    near = np.concatenate([there, back]) <= tolerance
    return max(np.percentile(there, 95), np.percentile(back, 95)), near.mean()


def blobs(seed: int, images: int = 5, size: tuple[int, int] = (17, 12)) -> torch.Tensor:
    """Smooth random label maps of three lesion classes, of which some touch the border."""
    source = np.random.default_rng(seed)
    noise = torch.from_numpy(source.standard_normal((images, 1, *size)))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)[:, 0]
    lesion = smooth > torch.from_numpy(source.uniform(-0.1, 0.7, (images, 1, 1)))
    return lesion * torch.from_numpy(source.integers(1, 4, (images, *size)))


def square(top: int, left: int, side: int, size: int = 24) -> torch.Tensor:
    mask = torch.zeros(1, size, size, dtype=torch.long)
    mask[0, top : top + side, left : left + side] = 1
    return mask


@given(seeds, st.sampled_from([0.0, 1.0, 1.5, 2.0, 5.0]))
@settings(max_examples=20, deadline=None)
def test_brute_force_says_the_same(seed: int, tolerance: float) -> None:
    predicted, mask = blobs(seed), blobs(seed + 1)
    hd95, nsd = surface_scores(predicted, mask, tolerance)
    for row in range(len(mask)):
        pair = (predicted[row].numpy() > 0, mask[row].numpy() > 0)
        expected = brute_force(*pair, tolerance)
        assert (hd95[row].item(), nsd[row].item()) == pytest.approx(expected, rel=1e-5)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_distances_are_symmetric_and_none_to_oneself(seed: int) -> None:
    predicted, mask = blobs(seed), blobs(seed + 1)
    for one, other in zip(
        surface_scores(predicted, mask), surface_scores(mask, predicted), strict=True
    ):
        torch.testing.assert_close(one, other)
    hd95, nsd = surface_scores(mask, mask)
    assert hd95.tolist() == [0.0] * 5
    assert nsd.tolist() == [1.0] * 5


@given(st.integers(1, 10), st.integers(1, 8), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_shift_by_k_pixels_is_an_hd95_of_k(side: int, shift: int, down: bool) -> None:
    moved = square(4 + shift, 4, side) if down else square(4, 4 + shift, side)
    hd95, _ = surface_scores(moved, square(4, 4, side))
    assert hd95.item() == pytest.approx(shift)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_nsd_grows_with_the_tolerance_to_one(seed: int) -> None:
    predicted, mask = square(2, 3, 5), square(5, 9, 8)
    predicted |= blobs(seed, 1, (24, 24))
    shares = [surface_scores(predicted, mask, t)[1].item() for t in (0, 1, 2, 4, 8, 34)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1.0


def test_a_worked_example() -> None:
    mask, predicted = torch.zeros(1, 8, 8, dtype=torch.long), torch.zeros(1, 8, 8, dtype=torch.long)
    mask[0, 0, 0] = predicted[0, 0, 0] = predicted[0, 4, 3] = 1
    hd95, nsd = surface_scores(predicted, mask)
    assert hd95.item() == pytest.approx(0.95 * 5)  # of the distances 0 and 5
    assert nsd.item() == pytest.approx(2 / 3)  # two of three pixels of outline have a partner


def test_a_missed_frame_is_as_bad_as_can_be_and_a_clean_one_is_right() -> None:
    lesion, nothing = torch.ones(1, 30, 40, dtype=torch.long), torch.zeros(1, 30, 40).long()
    predicted = torch.cat([nothing, lesion, nothing, lesion])
    mask = torch.cat([nothing, nothing, lesion, lesion])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hd95, nsd = surface_scores(predicted, mask)
    assert hd95.tolist() == [0.0, 50.0, 50.0, 0.0]
    assert nsd.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_the_furthest_lesions_that_are_found_are_better_than_a_miss() -> None:
    mask, predicted = torch.zeros(1, 9, 9, dtype=torch.long), torch.zeros(1, 9, 9, dtype=torch.long)
    mask[0, 0, 0] = predicted[0, 8, 8] = 1
    assert surface_scores(predicted, mask)[0] < surface_scores(0 * predicted, mask)[0]


def test_any_class_of_lesion_is_lesion() -> None:
    mask = blobs(3)
    for one, other in zip(
        surface_scores(mask, blobs(4)),
        surface_scores((mask > 0).long(), 2 * (blobs(4) > 0)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 4, 4\) and \(1, 4, 5\)"):
        surface_scores(torch.zeros(1, 4, 4), torch.zeros(1, 4, 5))
    with pytest.raises(ShapeError, match=r"\(B, H, W\)"):
        surface_scores(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    for tolerance in (-1.0, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="tolerance"):
            surface_scores(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), tolerance)
