"""A mask that was released as outlines: filled when the image is read, so nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from deconfound.data.masks import MaskRule
from deconfound.errors import DataError

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class PolygonMask(MaskRule):
    """The union of filled polygons; without any, a frame without a lesion.

    The outline's own pixels are filled, as annotation tools draw it. What lies outside the picture
    is cut off; a polygon with nothing inside is refused, because it belongs to another picture.

    Args:
        polygons: each a sequence of three or more (x, y), in pixels of the image, x to the right
            and y down, (0, 0) being the upper left pixel.
    """

    polygons: tuple[Polygon, ...]

    def __call__(self, values: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Fill the polygons.

        Args:
            values: (H, W), of which only the shape counts: that of the image.
            path: the file of annotations, for errors.

        Returns:
            (H, W) uint8, 1 inside any polygon.

        Raises:
            DataError: a polygon that lies wholly outside.
        """
        height, width = values.shape
        canvas = Image.new("L", (width, height), 0)
        pen = ImageDraw.Draw(canvas)
        for polygon in self.polygons:
            xs, ys = zip(*polygon, strict=True)
            if max(xs) < 0 or max(ys) < 0 or min(xs) >= width or min(ys) >= height:
                raise DataError(
                    f"{path}: expected polygons within the image of {width}×{height}, found one "
                    f"from ({min(xs):g}, {min(ys):g}) to ({max(xs):g}, {max(ys):g}); check that "
                    f"the annotations belong to images of this size"
                )
            pen.polygon(polygon, fill=1, outline=1)
        return np.array(canvas)
