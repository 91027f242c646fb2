"""PolypGen: polyps from six hospitals, each a site of its own (Ali et al. 2023)."""

from __future__ import annotations

from pathlib import Path

from deconfound.data import BinaryMask, image_files, pair_by_stem
from deconfound.data.samples import Site

from .base import Reader, samples_of, subfolder

NAME = "PolypGen"
CENTRES = tuple(f"C{number}" for number in range(1, 7))


def read(folder: Path) -> list[Site]:
    """Read ``data_Ck/images_Ck/<n>.jpg`` beside ``data_Ck/masks_Ck/<n>_mask.jpg``, k = 1…6.

    Frames without a polyp have an empty mask, and are kept. Which frames show one patient is not
    released; ``sequenceData`` is not read.

    Args:
        folder: any folder; that of one hospital, too.
    """
    sites = []
    for centre in CENTRES:
        site = _hospital(subfolder(folder, f"data_{centre}") or folder, centre)
        if site is not None:
            sites.append(site)
    return sites


def _hospital(folder: Path, centre: str) -> Site | None:
    images, masks = subfolder(folder, f"images_{centre}"), subfolder(folder, f"masks_{centre}")
    if images is None or masks is None:
        return None
    name = f"{NAME}-{centre}"
    pairs, problems = pair_by_stem(
        image_files(images), image_files(masks), lambda stem: stem.removesuffix("_mask")
    )
    samples = samples_of(pairs, name, "polyp", BinaryMask())
    return Site(name, samples, tuple(problems), ("no patient ids exist",), folder)


READER = Reader(NAME, "PolypGen/data_C{1..6}/{images_Ck/<n>.jpg,masks_Ck/<n>_mask.jpg}", read)
