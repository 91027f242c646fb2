"""Which mask belongs to which image, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from deconfound.data.images import SUFFIXES

Pair = tuple[Path, Path]


def image_files(folder: Path) -> list[Path]:
    """Return the image files directly in ``folder``, in natural order: 2 before 10.

    Args:
        folder: any folder; hidden files, as archives from a Mac bring along, are left out.
    """
    files = (
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
    return sorted(files, key=natural)


def natural(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key that counts: ``seq2`` comes before ``seq10``."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts], path.name


def pair_by_stem(
    images: Iterable[Path],
    masks: Iterable[Path],
    stem_of_mask: Callable[[str], str] = lambda stem: stem,
) -> tuple[list[Pair], list[str]]:
    """Pair files by their names without suffix.

    Args:
        images: image files.
        masks: mask files.
        stem_of_mask: from a mask's stem to its image's.

    Returns:
        The pairs in the order of the images, and one sentence for every file left over: an image
        without a mask, a mask without an image, two files for one name.
    """
    problems: list[str] = []
    image_of = _by_stem(images, lambda stem: stem, problems)
    mask_of = _by_stem(masks, stem_of_mask, problems)
    pairs = [(image, mask_of[stem]) for stem, image in image_of.items() if stem in mask_of]
    problems += [
        f"{image}: the mask is missing; add it or remove the image"
        for stem, image in image_of.items()
        if stem not in mask_of
    ]
    problems += [
        f"{mask}: a mask without an image; add the image or remove the mask"
        for stem, mask in mask_of.items()
        if stem not in image_of
    ]
    return pairs, problems


def _by_stem(
    files: Iterable[Path], stem_of: Callable[[str], str], problems: list[str]
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        first = found.setdefault(stem_of(file.stem), file)
        if first is not file:
            problems.append(f"{file}: {first.name} has the same name; keep one of them")
    return found
