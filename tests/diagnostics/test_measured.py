"""Image statistics: right on pictures made by hand, and on renders whose confounder is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from deconfound.diagnostics import measure
from deconfound.errors import ShapeError
from deconfound.simulation import CONFOUNDERS, SITES, Scenes, render
from deconfound.testing.strategies import seeds


def picture(seed: int, size: int = 32, low: float = 0.2, high: float = 0.8) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(1, 3, size, size, generator=g, dtype=torch.float64)


def one(image: torch.Tensor, name: str) -> float:
    return float(measure(image)[name][0])


@given(seed=seeds, factor=st.floats(0.3, 0.9))
def test_dimming_lowers_luminance_alone(seed, factor) -> None:
    image = picture(seed)
    assert one(factor * image, "luminance") == pytest.approx(factor * one(image, "luminance"))
    for name in ("unevenness", "sharpness", "coolness"):
        assert one(factor * image, name) == pytest.approx(one(image, name), abs=1e-6)


@given(seed=seeds, sigma=st.floats(0.6, 3))
def test_blur_lowers_sharpness_and_fine_detail(seed, sigma) -> None:
    image = picture(seed)
    blurred = torch.from_numpy(gaussian_filter(image.numpy(), (0, 0, sigma, sigma)))
    for name in ("sharpness", "fine_detail"):
        assert one(blurred, name) < one(image, name)


@given(slope=st.floats(-0.4, 0.4), angle=st.floats(0, 2 * np.pi))
def test_unevenness_is_the_slope_of_a_plane(slope, angle) -> None:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 24, dtype=torch.float64)] * 2, indexing="ij")
    plane = 0.5 * (1 + slope * (np.cos(angle) * x + np.sin(angle) * y))
    assert one(plane.expand(1, 3, -1, -1), "unevenness") == pytest.approx(abs(slope), abs=1e-6)


@given(share=st.integers(0, 32))
def test_saturated_and_shadow_count_pixels(share) -> None:
    image = torch.full((1, 3, 32, 32), 0.5)
    image[..., :share] = 1.0
    assert one(image, "saturated") == pytest.approx(share / 32)
    image[..., :share] = 0.05
    assert one(image, "shadow") == pytest.approx(share / 32)


def test_coolness_goes_from_red_to_cyan() -> None:
    colours = torch.eye(3)[0], torch.tensor([0.8, 0.4, 0.4]), torch.full((3,), 0.5)
    levels = [one(c[None, :, None, None].expand(1, 3, 8, 8), "coolness") for c in colours]
    levels.append(
        one(torch.tensor([0.0, 1, 1])[None, :, None, None].expand(1, 3, 8, 8), "coolness")
    )
    assert levels == pytest.approx([-1, -1 / 3, 0, 1])


@given(seed=seeds, border=st.integers(1, 8))
def test_the_black_around_a_field_of_view_does_not_count(seed, border) -> None:
    image = picture(seed, 24)
    framed = torch.nn.functional.pad(image, [border] * 4)
    bare, around = measure(image), measure(framed)
    for name in ("luminance", "saturated", "shadow", "coolness"):
        assert around[name] == pytest.approx(bare[name])


def test_black_within_the_picture_counts_and_a_black_picture_can_be_measured() -> None:
    image = torch.full((1, 3, 16, 16), 0.5)
    image[..., 6:10, 6:10] = 0
    assert one(image, "shadow") == pytest.approx(16 / 256)
    assert np.isfinite(measure(torch.zeros(2, 3, 16, 16)).values).all()
    assert measure(torch.zeros(2, 3, 16, 16)).values.shape == (2, 7)


@pytest.mark.parametrize(
    ("confounder", "statistic", "sign"),
    [
        ("dark", "luminance", -1),
        ("dark", "shadow", 1),
        ("bright", "luminance", 1),
        ("bright", "saturated", 1),
        ("uneven_lighting", "unevenness", 1),
        ("nbi", "coolness", 1),
        ("blur", "sharpness", -1),
        ("blur", "fine_detail", -1),
        ("reflection", "saturated", 1),
    ],
)
def test_a_rendered_confounder_is_measured(confounder, statistic, sign) -> None:
    """On the same scenes with and without it, in at least nine of ten."""
    scenes = Scenes.sample(seed=0, indices=range(20), site=SITES[3], class_index=torch.zeros(20))
    strengths = torch.zeros(20, 12)
    bare = measure(render(scenes, strengths, 64)[0])[statistic]
    strengths[:, CONFOUNDERS.index(confounder)] = 0.8
    done = measure(render(scenes, strengths, 64)[0])[statistic]
    assert (sign * (done - bare) > 0).mean() >= 0.9


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"expected images \(n, 3, H, W\), found \(3, 8, 8\)"):
        measure(torch.zeros(3, 8, 8))
