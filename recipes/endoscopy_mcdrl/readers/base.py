"""What a reader of one dataset's layout is, and the few moves that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deconfound.data import MaskRule, Sample
from deconfound.data.pairing import Pair
from deconfound.data.samples import Site


@dataclass(frozen=True, slots=True)
class Reader:
    """Knows one dataset in its released layouts.

    Attributes:
        name: of the dataset.
        layout: the layouts in words, for errors.
        read: from a folder to its sites; none where the folder holds something else.
        why_not: what a folder needs that is recognised and yet cannot be read; None for any other.
    """

    name: str
    layout: str
    read: Callable[[Path], list[Site]]
    why_not: Callable[[Path], str | None] = lambda folder: None


def subfolder(folder: Path, *names: str) -> Path | None:
    """Return the first of the named folders that exists directly in ``folder``; case does not
    count.

    Args:
        folder: where to look.
        names: in order of preference; spaces, ``_`` and ``-`` are the same.
    """
    here = {_plain(child.name): child for child in sorted(folder.iterdir()) if child.is_dir()}
    return next((here[_plain(name)] for name in names if _plain(name) in here), None)


def is_named(folder: Path, *parts: str) -> bool:
    """Tell whether the folder's name contains one of ``parts``; case and spacing do not count."""
    return any(_plain(part) in _plain(folder.name) for part in parts)


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "").replace("-", "")


def samples_of(
    pairs: Sequence[Pair],
    site: str,
    class_name: str | None,
    mask_rule: MaskRule,
    group_of: Callable[[Path], str | None] = lambda image: None,
) -> tuple[Sample, ...]:
    """Turn pairs of one site into samples.

    Args:
        pairs: image and mask files.
        site: name of the site.
        class_name: the class of every lesion there.
        mask_rule: how the masks are read.
        group_of: patient or sequence of an image.
    """
    return tuple(
        Sample(image, mask, site, group_of(image), class_name, mask_rule) for image, mask in pairs
    )
