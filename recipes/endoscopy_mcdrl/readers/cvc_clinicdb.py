"""CVC-ClinicDB: 612 frames with polyps out of 29 video sequences (Bernal et al. 2015)."""

from __future__ import annotations

import csv
from bisect import bisect_left
from pathlib import Path

from deconfound.data import BinaryMask, image_files, pair_by_stem
from deconfound.data.samples import Site
from deconfound.errors import DataError

from .base import Reader, is_named, samples_of, subfolder

NAME = "CVC-ClinicDB"

# The last frame of each sequence, as the dataset's own description numbers them. Neighbouring
# frames are near-duplicates, so these are the groups of any split.
LAST_FRAMES = (
    *(25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317),
    *(342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612),
)


def read(folder: Path) -> list[Site]:
    """Read ``Original/N.tif`` beside ``Ground Truth/N.tif``.

    Also seen and read: other case and spacing of the two names, ``.tiff`` and ``.png``, both of
    them under ``PNG/`` or ``TIF/`` (PNG is taken where there are both), ``images`` and ``masks`` in
    a folder that is named after the dataset, and a ``metadata.csv`` with ``frame_id`` and
    ``sequence_id``, which then says which frames belong together.

    Args:
        folder: any folder.

    Raises:
        DataError: a metadata.csv that cannot be read.
    """
    found = _folders(folder)
    if found is None:
        return []
    frames = image_files(found[0])
    if not is_named(folder, "clinicdb") and not any(_number(frame) for frame in frames):
        return []
    pairs, problems = pair_by_stem(frames, image_files(found[1]))
    sequences = _sequences(folder)
    strangers = [image for image, _ in pairs if _number(image) not in sequences]
    problems += [
        f"{image}: expected a frame number from 1 to {LAST_FRAMES[-1]}, so its sequence is not "
        f"known; rename or remove it"
        for image in strangers
    ]
    known = [pair for pair in pairs if pair[0] not in strangers]
    samples = samples_of(
        known, NAME, "polyp", BinaryMask(), lambda image: sequences[_number(image)]
    )
    return [Site(NAME, samples, tuple(problems), (), folder)]


def _folders(folder: Path) -> tuple[Path, Path] | None:
    """Folders of frames and of masks."""
    for root in (folder, subfolder(folder, "PNG"), subfolder(folder, "TIF", "TIFF")):
        if root is None:
            continue
        frames = subfolder(root, "Original")
        masks = subfolder(root, "Ground Truth", "GT")
        if frames is None and is_named(folder, "clinicdb"):
            frames, masks = subfolder(root, "images"), masks or subfolder(root, "masks")
        if frames is not None and masks is not None:
            return frames, masks
    return None


def _number(image: Path) -> int:
    """The frame's number; 0, which no frame has, where the name is no number."""
    return int(image.stem) if image.stem.isascii() and image.stem.isdigit() else 0


def _sequences(folder: Path) -> dict[int, str]:
    """The sequence of every frame: the table above, corrected by a metadata.csv."""
    table = {n: f"seq{bisect_left(LAST_FRAMES, n) + 1:02d}" for n in range(1, LAST_FRAMES[-1] + 1)}
    path = folder / "metadata.csv"
    if not path.is_file():
        return table
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                if "frame_id" in row and "sequence_id" in row:
                    table[int(row["frame_id"])] = f"seq{int(row['sequence_id']):02d}"
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"{path}: expected whole numbers in frame_id and sequence_id ({error}); "
            f"correct or remove the file"
        ) from error
    return table


READER = Reader(NAME, "CVC-ClinicDB/{Original,Ground Truth}/N.tif (or .png, or under PNG/)", read)
