"""What a dataset is made of: one image with its mask, and the site they come from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deconfound.data.masks import BinaryMask, MaskRule
from deconfound.errors import DataError

ChannelOrder = Literal["rgb", "bgr"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its mask.

    Attributes:
        image: the image file.
        mask: the mask file; for a `PolygonMask`, the file that its polygons come from.
        site: the hospital, or whatever the data shift between.
        group: patient or video sequence, within the site; frames of one group are never split.
            None where nobody knows, and the frame is then a group of its own.
        class_name: the lesion's class, as the pack calls it; None where unknown, or where there is
            no lesion.
        mask_rule: how the values in the mask file are to be read.
        channel_order: "bgr" where the file itself holds blue first, as some copies of datasets do.
    """

    image: Path
    mask: Path
    site: str
    group: str | None = None
    class_name: str | None = None
    mask_rule: MaskRule = field(default_factory=BinaryMask)
    channel_order: ChannelOrder = "rgb"


@dataclass(frozen=True, slots=True)
class Site:
    """One site, as it was found on disk.

    Attributes:
        name: what tables call it.
        samples: the usable pairs, in natural order of their names.
        problems: one sentence for every pair that cannot be used.
        notes: what the reader decided that is worth knowing, such as frames left out on purpose.
        folder: where it lies.
    """

    name: str
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    def require_sound(self) -> None:
        """Refuse a site with problems or without pairs.

        Raises:
            DataError: the first problem, with the number of further ones.
        """
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise DataError(f"site {self.name}: {self.problems[0]}{more}")
        if not self.samples:
            where = f" under {self.folder}" if self.folder else ""
            raise DataError(
                f"site {self.name}: expected images with masks{where}, found none; "
                f"fill the folder or leave it out"
            )


def group_ids(samples: Sequence[Sample]) -> list[str]:
    """Return the group of each sample, told apart between sites; a frame without one is its own.

    Such a frame goes by its file's name and, where a site has several of that name, by its path
    within the site: splits follow from these names, and must not change with where the data lie.

    Args:
        samples: from any number of sites.
    """
    alone = [sample for sample in samples if sample.group is None]
    count = Counter((sample.site, sample.image.name) for sample in alone)
    root = {
        site: os.path.commonpath([s.image.parent for s in alone if s.site == site])
        for site in {sample.site for sample in alone}
    }

    def own(sample: Sample) -> str:
        name = sample.image.name
        several = count[sample.site, name] > 1
        return sample.image.relative_to(root[sample.site]).as_posix() if several else name

    return [
        f"{s.site}/{s.group}" if s.group is not None else f"{s.site}//{own(s)}" for s in samples
    ]
