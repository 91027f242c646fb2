"""Kvasir-SEG: 1000 frames with polyps, no patient known (Jha et al. 2020)."""

from __future__ import annotations

import re
from pathlib import Path

from deconfound.data import BinaryMask, image_files, pair_by_stem
from deconfound.data.samples import Site

from .base import Reader, is_named, samples_of, subfolder

NAME = "Kvasir-SEG"
_ID = re.compile(r"c[a-z0-9]{24}")


def read(folder: Path) -> list[Site]:
    """Read ``images/<id>.jpg`` beside ``masks/<id>.jpg``; compact copies have PNG masks.

    Recognised by the ids, or by the folder's name. Kvasir-Instrument has the same ids and no
    polyps: it is left alone.

    Args:
        folder: any folder.
    """
    images, masks = subfolder(folder, "images"), subfolder(folder, "masks")
    if images is None or masks is None or is_named(folder, "instrument"):
        return []
    frames = image_files(images)
    ids = sum(bool(_ID.fullmatch(frame.stem)) for frame in frames)
    if 2 * ids <= len(frames) and not is_named(folder, "kvasir"):
        return []
    pairs, problems = pair_by_stem(frames, image_files(masks))
    samples = samples_of(pairs, NAME, "polyp", BinaryMask())
    return [Site(NAME, samples, tuple(problems), ("no patient ids exist",), folder)]


READER = Reader(NAME, "Kvasir-SEG/{images,masks}/<id>.jpg", read)
