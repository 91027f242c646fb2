"""ETIS-LaribPolypDB: 196 frames with polyps, no sequence known (Silva et al. 2014)."""

from __future__ import annotations

import re
from pathlib import Path

from deconfound.data import BinaryMask, image_files, pair_by_stem
from deconfound.data.pairing import Pair
from deconfound.data.samples import Site

from .base import Reader, is_named, samples_of, subfolder

NAME = "ETIS-LaribPolypDB"


def read(folder: Path) -> list[Site]:
    """Read ``N.tif`` beside ``Ground Truth/pN.tif``, or ``images/N.png`` beside ``masks/N.png``.

    The first is recognised by its names; the second is what many datasets look like, and is taken
    only in a folder that is named after this one.

    Args:
        folder: any folder.
    """
    found = _released(folder) or _repackaged(folder)
    if found is None:
        return []
    pairs, problems = found
    samples = samples_of(pairs, NAME, "polyp", BinaryMask())
    return [Site(NAME, samples, tuple(problems), ("no sequence ids exist",), folder)]


def _released(folder: Path) -> tuple[list[Pair], list[str]] | None:
    masks = subfolder(folder, "Ground Truth")
    if masks is None:
        return None
    frames = [frame for frame in image_files(folder) if frame.stem.isdecimal()]
    truths = image_files(masks)
    if not frames or not any(re.fullmatch(r"p\d+", truth.stem) for truth in truths):
        return None
    return pair_by_stem(frames, truths, lambda stem: stem.removeprefix("p"))


def _repackaged(folder: Path) -> tuple[list[Pair], list[str]] | None:
    images, masks = subfolder(folder, "images"), subfolder(folder, "masks")
    if images is None or masks is None or not is_named(folder, "etis"):
        return None
    return pair_by_stem(image_files(images), image_files(masks))


READER = Reader(
    NAME, "ETIS-LaribPolypDB/N.tif with Ground Truth/pN.tif, or {images,masks}/N.png", read
)
