"""Confounders that can be measured: what the pixels say, without any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deconfound.errors import ShapeError

Array = np.ndarray

BLACK = 0.03
"""Level below which a pixel can belong to the black around a scope's field of view."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Statistics of images.

    Attributes:
        names: S statistics, see `STATISTICS`.
        values: (n, S), float64.
    """

    names: tuple[str, ...]
    values: Array

    def __getitem__(self, name: str) -> Array:
        """Return one statistic of every image, (n,)."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture, taken apart.

    Attributes:
        rgb: (H, W, 3) in [0, 1].
        luma: (H, W), Rec. 709 luminance of the values as they are stored.
        inside: (H, W), false in the black around the field of view.
    """

    rgb: Array
    luma: Array
    inside: Array


def measure(images: Tensor) -> Measurements:
    """Measure every image.

    Args:
        images: (n, 3, H, W), RGB in [0, 1].

    Raises:
        ShapeError: something else than a batch of RGB images.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ShapeError(f"measure: expected images (n, 3, H, W), found {tuple(images.shape)}")
    frames = [_frame(image) for image in images.permute(0, 2, 3, 1).double().cpu().numpy()]
    values = [[statistic(frame) for statistic in STATISTICS.values()] for frame in frames]
    return Measurements(tuple(STATISTICS), np.array(values).reshape(len(frames), len(STATISTICS)))


def luminance(frame: Frame) -> float:
    """Return the mean luminance inside the field of view."""
    return float(frame.luma[frame.inside].mean())


def unevenness(frame: Frame) -> float:
    """Return the luminance's fall across half the picture, relative to its mean (fitted plane)."""
    rows, columns = np.nonzero(frame.inside)
    height, width = frame.luma.shape
    places = np.stack([columns / max(width - 1, 1), rows / max(height - 1, 1)]) * 2 - 1
    places -= places.mean(axis=1, keepdims=True)
    normal = places @ places.T + 1e-9 * np.eye(2)  # a picture of one row has no second slope
    across, down = np.linalg.solve(normal, places @ frame.luma[frame.inside])
    return float(np.hypot(across, down) / max(luminance(frame), 1e-6))


def sharpness(frame: Frame) -> float:
    """Return log10 of the Laplacian's variance, relative to the mean luminance squared."""
    from scipy.ndimage import binary_erosion, laplace

    inner = binary_erosion(frame.inside, iterations=2)  # the field's edge is not the tissue's
    inner = inner if inner.any() else frame.inside
    contrast = laplace(frame.luma, mode="nearest")[inner].var() / max(luminance(frame), 1e-6) ** 2
    return float(np.log10(contrast + 1e-12))


def fine_detail(frame: Frame) -> float:
    """Return the share of the luminance's variance that a Gaussian of 2 pixels takes away."""
    from scipy.ndimage import gaussian_filter

    residue = frame.luma - gaussian_filter(frame.luma, 2.0, mode="nearest")
    return float(residue[frame.inside].var() / max(frame.luma[frame.inside].var(), 1e-12))


def saturated(frame: Frame) -> float:
    """Return the share of pixels in which all three colours are burnt out (0.95 and above)."""
    return float((frame.rgb.min(axis=-1) >= 0.95)[frame.inside].mean())


def shadow(frame: Frame) -> float:
    """Return the share of pixels darker than a tenth of full scale."""
    return float((frame.luma < 0.1)[frame.inside].mean())


def coolness(frame: Frame) -> float:
    """Return how far the mean hue lies from red towards cyan: -1 pure red, 1 none of it."""
    red, green, blue = frame.rgb[frame.inside].mean(axis=0)
    other = (green + blue) / 2
    return float((other - red) / max(other + red, 1e-6))


STATISTICS: dict[str, Callable[[Frame], float]] = {
    "luminance": luminance,
    "unevenness": unevenness,
    "sharpness": sharpness,
    "fine_detail": fine_detail,
    "saturated": saturated,
    "shadow": shadow,
    "coolness": coolness,
}
"""Name -> statistic of one frame."""


def _frame(rgb: Array) -> Frame:
    luma = rgb @ np.array([0.2126, 0.7152, 0.0722])
    return Frame(rgb, luma, _inside(rgb.max(axis=-1)))


def _inside(level: Array) -> Array:
    """Return where the picture is, leaving out black that touches the border: (H, W) bool."""
    from scipy.ndimage import label

    regions, _ = label(level <= BLACK)
    edges = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    inside = ~np.isin(regions, edges[edges > 0])
    return inside if inside.any() else np.ones_like(inside)
