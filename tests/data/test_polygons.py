"""Outlines are filled by rule when an image is read, and the colours come the right way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deconfound.data import FolderDataset, PolygonMask, Sample, Site, check_site, read_pair
from deconfound.errors import DataError
from tests.data.drawing import SIZE, draw

PATH = Path("annotation.json")
CANVAS = np.zeros((6, 8), np.uint8)
SIDES = st.integers(0, 7)


def test_a_mask_that_was_computed_by_hand() -> None:
    rectangle = ((1, 1), (4, 1), (4, 3), (1, 3))
    triangle = ((7, 5), (7, 3), (5, 5))
    expected = [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 1],
    ]
    np.testing.assert_array_equal(PolygonMask((rectangle, triangle))(CANVAS, PATH), expected)


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_rectangle_is_a_rectangle(x0: int, x1: int, y0: int, y1: int) -> None:
    (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
    canvas = np.zeros((8, 8), np.uint8)
    found = PolygonMask((((x0, y0), (x1, y0), (x1, y1), (x0, y1)),))(canvas, PATH)
    expected = canvas.copy()
    expected[y0 : y1 + 1, x0 : x1 + 1] = 1
    np.testing.assert_array_equal(found, expected)


POINTS = st.tuples(st.floats(-3, 11), st.floats(-3, 9))
POLYGONS = st.lists(st.lists(POINTS, min_size=3, max_size=6).map(tuple), max_size=3)


@given(POLYGONS)
def test_polygons_are_united(polygons: list[tuple[tuple[float, float], ...]]) -> None:
    def fill(*chosen: tuple[tuple[float, float], ...]) -> np.ndarray | None:
        try:
            return PolygonMask(chosen)(CANVAS, PATH)
        except DataError:
            return None

    alone = [fill(polygon) for polygon in polygons]
    together = fill(*polygons)
    if any(mask is None for mask in alone):
        assert together is None
        return
    assert together is not None
    assert together.dtype == np.uint8
    expected = np.any([CANVAS, *(mask for mask in alone if mask is not None)], axis=0)
    np.testing.assert_array_equal(together, expected)


def test_no_polygon_is_no_lesion_and_what_sticks_out_is_cut() -> None:
    assert not PolygonMask(())(CANVAS, PATH).any()
    found = PolygonMask((((-5, -5), (20, -5), (20, 2), (-5, 2)),))(CANVAS, PATH)
    np.testing.assert_array_equal(found, np.repeat([[1], [1], [1], [0], [0], [0]], 8, axis=1))


def test_a_polygon_of_another_picture_is_refused() -> None:
    rule = PolygonMask((((8, 0), (9, 0), (9, 3)),))
    with pytest.raises(DataError) as caught:
        rule(CANVAS, PATH)
    assert str(caught.value) == (
        "annotation.json: expected polygons within the image of 8×6, found one from (8, 0) to "
        "(9, 3); check that the annotations belong to images of this size"
    )


def test_a_sample_with_polygons_is_a_sample_like_any_other(tmp_path: Path) -> None:
    image = draw(tmp_path / "a.png")
    sample = Sample(image, PATH, "s", mask_rule=PolygonMask((((2, 2), (5, 2), (5, 4)),)))
    mask = read_pair(sample)[1]
    assert mask.shape == SIZE[::-1]
    assert mask[2, 2:6].tolist() == [1, 1, 1, 1]
    item = FolderDataset([sample], SIZE[::-1], ["polyp"])[0]
    np.testing.assert_array_equal(item["mask"], mask)
    report = check_site(Site("s", (sample,)))
    assert (report.pairs, report.mask_values) == (1, ())
    assert report.foreground == pytest.approx(mask.mean())


def test_blue_first_is_turned_round(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = draw(tmp_path / "a.png", rgb[..., ::-1].copy())
    rule = PolygonMask(())
    stored, turned = (
        read_pair(Sample(image, PATH, "s", mask_rule=rule, channel_order=order))[0]
        for order in ("rgb", "bgr")
    )
    np.testing.assert_array_equal(turned, rgb)
    np.testing.assert_array_equal(stored, rgb[..., ::-1])
    assert turned.flags.c_contiguous


def test_pictures_that_are_more_blue_than_red_are_counted(tmp_path: Path) -> None:
    tissue = np.full((6, 8, 3), (180, 90, 70), np.uint8)
    grey = np.full((6, 8, 3), 90, np.uint8)
    rule = PolygonMask(())
    for values, expected in ((tissue, 0), (tissue[..., ::-1].copy(), 1), (grey, 0)):
        sample = Sample(draw(tmp_path / "a.png", values), PATH, "s", mask_rule=rule)
        assert check_site(Site("s", (sample,))).bluish == expected
