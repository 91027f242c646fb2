"""Near-duplicates: one picture twice, also resized, recompressed, or cropped by up to a tenth.

A frame is known by perceptual hashes (pHash, of the ImageHash library) of its brightness and its
two colour channels, taken once over the whole and once over the middle, where the scope's own
black frame and its overlays do not reach. A crop moves everything that such a hash looks at, so
every frame is hashed in several crops, and a pair is as near as the nearest crop of either is to
the whole of the other. How often that is right is measured in docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deconfound.data.images import read_image
from deconfound.data.samples import Sample
from deconfound.errors import DataError
from deconfound.extras import missing_extra

if TYPE_CHECKING:
    from types import ModuleType

BITS = 384  # 64 for each of three channels, over the whole and over the middle
MAX_DISTANCE = 60  # bits in which near-duplicates differ at most

_SIDE = 128
_MIDDLE = 0.6
_CROPS = [(s, x, y) for s in (0.93, 0.85) for x in (0, 0.5, 1) for y in (0, 0.5, 1)]
_GREY = 8  # levels of colour below which a picture is grey, whatever its compression added
_ROWS = 64  # frames compared at a time


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two frames that show the same.

    Attributes:
        first, second: their positions among the samples; first < second.
        distance: bits of `BITS` in which they differ.
    """

    first: int
    second: int
    distance: int


def fingerprint(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Hash a picture, whole and in crops.

    Args:
        image: (H, W, 3), RGB.

    Returns:
        (views, `BITS`); the first view is the whole picture.

    Raises:
        ConfigurationError: ImageHash is not installed.
    """
    library = _imagehash()
    small = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2)
    colours = small.convert("YCbCr")
    channels = colours.split()
    if np.ptp(np.asarray(colours)[..., 1:], axis=(0, 1)).max() < _GREY:
        channels = (channels[0],) * 3  # the colour of a grey picture is noise
    return np.stack([_bits(library, view) for view in _views(channels)])


def fingerprints(
    samples: Sequence[Sample],
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
) -> tuple[list[int], NDArray[np.bool_]]:
    """Hash every image that can be read.

    Args:
        samples: of any sites.
        progress: called with how many images are done, and of how many.
        threads: decoding runs outside Python's lock.

    Returns:
        Positions of the readable samples, and their hashes (readable, views, `BITS`); the others
        are problems that `check_site` tells.
    """
    readable: list[int] = []
    prints: list[NDArray[np.bool_]] = []
    with ThreadPoolExecutor(threads) as pool:
        for index, found in enumerate(pool.map(_look, samples)):
            if found is not None:
                readable.append(index)
                prints.append(found)
            if progress is not None:
                progress(index + 1, len(samples))
    return readable, np.stack(prints) if prints else np.empty((0, 1 + len(_CROPS), BITS), bool)


def near_duplicates(
    prints: NDArray[np.bool_], max_distance: int = MAX_DISTANCE
) -> list[NearDuplicate]:
    """Find the pairs whose hashes differ in few bits.

    Args:
        prints: (n, views, `BITS`), from `fingerprints`.
        max_distance: in bits.

    Returns:
        The pairs, nearest first.
    """
    count, _, bits = prints.shape
    if count < 2:
        return []
    signs = prints.astype(np.float32) * 2 - 1
    whole = signs[:, 0]
    nearest = np.empty((count, count), np.float32)
    for start in range(0, count, _ROWS):
        views = signs[start : start + _ROWS]
        agreement = (views.reshape(-1, bits) @ whole.T).reshape(*views.shape[:2], count)
        nearest[start : start + _ROWS] = (bits - agreement.max(axis=1)) / 2
    distance = np.minimum(nearest, nearest.T).round().astype(int)
    pairs = np.argwhere(np.triu(distance <= max_distance, k=1))
    found = [NearDuplicate(int(i), int(j), int(distance[i, j])) for i, j in pairs]
    return sorted(found, key=lambda pair: pair.distance)


def _look(sample: Sample) -> NDArray[np.bool_] | None:
    try:
        return fingerprint(read_image(sample.image, sample.channel_order))
    except DataError:
        return None  # told as a problem of its site


def _views(channels: tuple[Image.Image, ...]) -> Iterator[tuple[Image.Image, ...]]:
    yield channels
    for share, x, y in _CROPS:
        yield tuple(_crop(channel, share, x, y) for channel in channels)


def _bits(library: ModuleType, channels: tuple[Image.Image, ...]) -> NDArray[np.bool_]:
    """The hashes of one view: of each channel whole, then of each channel's middle."""
    parts = (*channels, *(_crop(channel, _MIDDLE, 0.5, 0.5) for channel in channels))
    hashed = {id(part): library.phash(part).hash.ravel() for part in parts}
    return np.concatenate([hashed[id(part)] for part in parts])


def _crop(image: Image.Image, share: float, x: float, y: float) -> Image.Image:
    """A share of both sides; (x, y) = (0, 0) is the upper left corner, (1, 1) the lower right."""
    width, height = round(share * image.width), round(share * image.height)
    left, top = round(x * (image.width - width)), round(y * (image.height - height))
    return image.crop((left, top, left + width, top + height))


def _imagehash() -> ModuleType:
    try:
        import imagehash
    except ImportError as error:
        raise missing_extra("imagehash", "looking for near-duplicates") from error
    return imagehash
