"""Pictures of what a model did: NumPy in, PIL out. The report and the predict command share them.

Colours are those of Okabe and Ito, which people with any common colour blindness can tell apart and
which mucosa does not wear; contours are drawn on a dark edge, so that they show on any ground.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
from PIL import Image, ImageFilter

from deconfound.errors import ShapeError
from deconfound.extras import missing_extra

#: Contour colours by role, RGB.
TRUTH = (240, 228, 66)
PREDICTION = (86, 180, 233)
#: Contour and fill colours of several lesion classes, in order.
PALETTE = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))
EDGE = (20, 20, 24)

Colour = tuple[int, int, int]


def hex_of(colour: Colour) -> str:
    """Return a colour as pages and drawings name it: ``#56b4e9``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def to_picture(image: np.ndarray, size: tuple[int, int] | None = None) -> Image.Image:
    """Turn an image into a picture.

    Args:
        image: (H, W, 3) or (3, H, W), float in [0, 1], or uint8.
        size: (width, height) to resize to, Lanczos.
    """
    if image.ndim != 3 or 3 not in (image.shape[0], image.shape[-1]):
        raise ShapeError(f"expected an RGB image (H, W, 3) or (3, H, W), got {image.shape}")
    if image.shape[-1] != 3:
        image = np.moveaxis(image, 0, -1)
    if image.dtype != np.uint8:
        image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(image), "RGB")
    return picture if size is None else picture.resize(size, Image.Resampling.LANCZOS)


def outline(mask: np.ndarray, width: int = 1) -> np.ndarray:
    """Return the inner border of a region.

    Args:
        mask: (H, W), true inside. The picture's own border closes no contour.
        width: thickness in pixels.

    Returns:
        (H, W), true on the border.
    """
    eroded = Image.fromarray(np.pad(mask.astype(np.uint8) * 255, width, mode="edge"), "L")
    for _ in range(width):  # one wide filter costs its area, many small ones its width
        eroded = eroded.filter(ImageFilter.MinFilter(3))
    return mask.astype(bool) & (np.asarray(eroded)[width:-width, width:-width] == 0)


def draw_contours(
    picture: Image.Image,
    mask: np.ndarray,
    colours: Colour | tuple[Colour, ...],
    width: int | None = None,
    smooth: bool = True,
) -> Image.Image:
    """Draw a mask's contours on a copy of the picture.

    Args:
        picture: what to draw on.
        mask: (h, w), integer class indices, 0 is background; scaled to the picture.
        colours: one for all classes, or one for each in turn.
        width: thickness in pixels; by default 1/240 of the longer side, at least 2.
        smooth: round the corners that enlarging pixels makes.
    """
    _require_mask(mask)
    width = width or max(2, round(max(picture.size) / 240))
    canvas = np.array(picture)
    several = colours if isinstance(colours[0], tuple) else (colours,)
    for value, colour in zip(range(1, int(mask.max()) + 1), cycle(several)):
        region = scaled(mask == value, picture.size, smooth)
        line = outline(region, width)
        canvas[outline(~region) & ~region] = EDGE
        canvas[line] = colour
    return Image.fromarray(canvas, "RGB")


def draw_fill(
    picture: Image.Image,
    mask: np.ndarray,
    colours: tuple[Colour, ...] = PALETTE,
    strength: float = 0.35,
) -> Image.Image:
    """Tint a mask's classes on a copy of the picture and draw their contours, for `predict`."""
    _require_mask(mask)
    canvas = np.array(picture, dtype=np.float32)
    for value in range(1, int(mask.max()) + 1):
        colour = np.array(colours[(value - 1) % len(colours)], dtype=np.float32)
        region = scaled(mask == value, picture.size)
        canvas[region] = (1 - strength) * canvas[region] + strength * colour
    tinted = Image.fromarray((canvas + 0.5).astype(np.uint8), "RGB")
    return draw_contours(tinted, mask, colours)


def draw_heat(
    picture: Image.Image, scores: np.ndarray, kept: np.ndarray | None = None, strength: float = 0.6
) -> Image.Image:
    """Lay the map of class-text similarity Ŝ over the picture and outline the regions kept.

    Args:
        picture: what to draw on; it shows through in grey, so that colour means similarity alone.
        scores: (h, w), Ŝ; the colours span its own range.
        kept: (h, w), true where the selector kept a location; outlined in white.
        strength: opacity of the colours.
    """
    try:
        from matplotlib import colormaps
    except ImportError as error:
        raise missing_extra("matplotlib", "the similarity map") from error
    low, high = float(scores.min()), float(scores.max())
    relative = (scores - low) / max(high - low, 1e-12)
    heat = colormaps["cividis"](relative)[..., :3]
    layer = to_picture(heat).resize(picture.size, Image.Resampling.BICUBIC)
    mixed = Image.blend(picture.convert("L").convert("RGB"), layer, strength)
    if kept is None:
        return mixed
    return draw_contours(mixed, kept.astype(np.int64), (255, 255, 255), width=1, smooth=False)


def scaled(region: np.ndarray, size: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """Scale a region to (width, height).

    Args:
        region: (H, W), true inside.
        size: (width, height).
        smooth: follow the half-way line between pixel centres; otherwise repeat pixels.
    """
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    grown = Image.fromarray(region.astype(np.uint8) * 255, "L").resize(size, method)
    return np.asarray(grown) > 127


def _require_mask(mask: np.ndarray) -> None:
    if mask.ndim != 2:
        raise ShapeError(f"expected a mask (H, W), got {mask.shape}")
