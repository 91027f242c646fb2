from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deconfound.errors import ShapeError
from deconfound.training.overlays import (
    EDGE,
    PALETTE,
    TRUTH,
    draw_contours,
    draw_fill,
    draw_heat,
    outline,
    scaled,
    to_picture,
)

GREY = Image.new("RGB", (64, 48), (90, 90, 90))


def square(size: tuple[int, int] = (48, 64), value: int = 1) -> np.ndarray:
    mask = np.zeros(size, dtype=np.int64)
    mask[12:30, 20:40] = value
    return mask


def pixels(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.asarray(picture) == colour).all(axis=-1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_pictures_from_either_layout(dtype: type) -> None:
    image = np.random.default_rng(0).uniform(size=(5, 7, 3))
    image = (image * 255).astype(dtype) if dtype is np.uint8 else image.astype(dtype)
    one, other = to_picture(image), to_picture(np.moveaxis(image, -1, 0))
    assert one.size == (7, 5)
    assert one.tobytes() == other.tobytes()
    expected = image if dtype is np.uint8 else image * 255
    assert np.abs(np.asarray(one).astype(float) - expected).max() <= 0.5 + 1e-4


def test_values_outside_are_clipped_not_wrapped() -> None:
    image = np.stack([np.full((2, 2), v) for v in (-0.5, 0.5, 1.5)], axis=-1)
    assert np.asarray(to_picture(image))[0, 0].tolist() == [0, 128, 255]


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"expected an RGB image .* got \(5, 7\)"):
        to_picture(np.zeros((5, 7)))
    with pytest.raises(ShapeError, match=r"expected a mask \(H, W\), got \(1, 5, 7\)"):
        draw_contours(GREY, np.zeros((1, 5, 7), dtype=int), TRUTH)


@given(st.integers(0, 2**31), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_an_outline_is_the_part_of_a_region_near_its_outside(seed: int, width: int) -> None:
    region = np.random.default_rng(seed).random((12, 15)) < 0.7
    padded = np.pad(region, width, mode="edge")
    span = range(-width, width + 1)
    rows, columns = slice(width, width + 12), slice(width, width + 15)
    near = np.zeros_like(region)
    for dy in span:
        for dx in span:
            near |= ~np.roll(padded, (dy, dx), axis=(0, 1))[rows, columns]
    np.testing.assert_array_equal(outline(region, width), region & near)


def test_the_pictures_border_closes_no_contour() -> None:
    assert not outline(np.ones((6, 6), dtype=bool)).any()


def test_contours_mark_the_border_and_leave_the_rest() -> None:
    mask = square()
    drawn = draw_contours(GREY, mask, TRUTH)
    np.testing.assert_array_equal(pixels(drawn, TRUTH), outline(mask == 1, 2))
    edge = pixels(drawn, EDGE)
    assert edge.any()
    assert not (edge & (mask == 1)).any()
    touched = pixels(drawn, TRUTH) | edge
    assert (np.asarray(drawn)[~touched] == 90).all()
    assert pixels(GREY, (90, 90, 90)).all()  # the original is left alone


def test_an_empty_mask_changes_nothing() -> None:
    nothing = np.zeros((48, 64), dtype=int)
    assert draw_contours(GREY, nothing, TRUTH).tobytes() == GREY.tobytes()
    assert draw_fill(GREY, nothing).tobytes() == GREY.tobytes()


def test_classes_have_their_own_colours() -> None:
    mask = square()
    mask[35:45, 5:15] = 3
    drawn = draw_contours(GREY, mask, PALETTE)
    assert pixels(drawn, PALETTE[0])[mask == 1].any()
    assert pixels(drawn, PALETTE[2])[mask == 3].any()
    assert not pixels(drawn, PALETTE[1]).any()


def test_fill_tints_the_inside_by_its_strength() -> None:
    drawn = np.asarray(draw_fill(GREY, square(), strength=0.5))
    expected = 0.5 * 90 + 0.5 * np.array(PALETTE[0])
    assert np.abs(drawn[20, 30] - expected).max() <= 1
    assert drawn[2, 2].tolist() == [90, 90, 90]


def test_regions_scale_there_and_back() -> None:
    mask = square() == 1
    repeated = scaled(mask, (128, 96), smooth=False)
    np.testing.assert_array_equal(repeated, mask.repeat(2, 0).repeat(2, 1))
    for smooth in (True, False):
        np.testing.assert_array_equal(scaled(mask, (64, 48), smooth), mask)
        assert scaled(mask, (128, 96), smooth).sum() == pytest.approx(4 * mask.sum(), rel=0.02)


def test_smooth_scaling_rounds_corners_only() -> None:
    mask = square() == 1
    sharp, smooth = scaled(mask, (256, 192), smooth=False), scaled(mask, (256, 192))
    different = np.argwhere(sharp != smooth)
    corners = [(4 * y, 4 * x) for y in (12, 30) for x in (20, 40)]
    assert len(different) > 0
    assert all(min(np.hypot(*(p - c)) for c in corners) < 4 for p in different)


def test_heat_is_brightest_where_the_score_is_highest_and_outlines_what_was_kept() -> None:
    scores = np.zeros((6, 8))
    scores[2, 3] = 1.0
    black = Image.new("RGB", (64, 48))
    heat = np.asarray(draw_heat(black, scores, strength=1.0)).sum(axis=-1)
    assert np.unravel_index(heat.argmax(), heat.shape) == pytest.approx((20, 28), abs=5)
    kept = scores > 0.5
    white = pixels(draw_heat(black, scores, kept), (255, 255, 255))
    rows, columns = np.nonzero(white)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 23, 24, 31)


def test_a_constant_heat_map_is_no_division_by_zero() -> None:
    drawn = draw_heat(GREY, np.full((4, 4), 0.3))
    assert len(set(map(tuple, np.asarray(drawn).reshape(-1, 3)))) == 1
