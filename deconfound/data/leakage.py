"""What a model could know of the frames it is judged on: duplicates and divided patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deconfound.data.duplicates import fingerprints, near_duplicates
from deconfound.data.folds import split_by_group
from deconfound.data.samples import Sample, Site, group_ids
from deconfound.errors import DataError


@dataclass(frozen=True, slots=True)
class SharedPicture:
    """Two frames that show the same.

    Attributes:
        first, second: the image files.
        distance: bits of `duplicates.BITS` in which their hashes differ.
    """

    first: Path
    second: Path
    distance: int


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """Where knowledge could cross from one part of the data into another.

    Attributes:
        images: how many could be read and were compared.
        within_groups: near-duplicates in one patient or sequence of a site: expected in video, and
            harmless, because groups are never split.
        between_groups: near-duplicates in two groups of a site, or in frames without a group.
        between_sites: near-duplicates at two sites.
        across_split: those of the two kinds above of which one frame trains and the other
            validates.
        split_groups: groups with frames on both sides of the split; none, unless it is broken.
        shared_groups: group names that more than one site uses, each with its sites.
        split: which split was looked at, in words.
    """

    images: int
    within_groups: int
    between_groups: tuple[SharedPicture, ...]
    between_sites: tuple[SharedPicture, ...]
    across_split: tuple[SharedPicture, ...]
    split_groups: tuple[str, ...]
    shared_groups: dict[str, tuple[str, ...]]
    split: str

    def to_mapping(self) -> dict[str, Any]:
        """Return JSON-able values."""
        values = asdict(self)
        for kind in ("between_groups", "between_sites", "across_split"):
            for pair in values[kind]:
                pair["first"], pair["second"] = str(pair["first"]), str(pair["second"])
        return values


def check_leakage(
    sites: Sequence[Site],
    share: float = 0.15,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
) -> LeakageReport:
    """Compare every image with every other, and look at the split.

    The split of a site does not depend on which other sites train with it, so one look holds for
    every site that may be held out.

    Args:
        sites: as readers found them.
        share: validation share of the split.
        seed: of the split.
        progress: called with how many images are done, and of how many.
        threads: decoding runs outside Python's lock.

    Raises:
        ConfigurationError: ImageHash is not installed.
    """
    samples = [sample for site in sites for sample in site.samples]
    readable, prints = fingerprints(samples, progress, threads)
    held, split = _validation(samples, share, seed)
    within = 0
    between_groups: list[SharedPicture] = []
    between_sites: list[SharedPicture] = []
    across_split: list[SharedPicture] = []
    for pair in near_duplicates(prints):
        i, j = readable[pair.first], readable[pair.second]
        one, two = samples[i], samples[j]
        if one.site == two.site and one.group is not None and one.group == two.group:
            within += 1
            continue
        shared = SharedPicture(one.image, two.image, pair.distance)
        (between_groups if one.site == two.site else between_sites).append(shared)
        if (i in held) != (j in held):
            across_split.append(shared)
    return LeakageReport(
        images=len(readable),
        within_groups=within,
        between_groups=tuple(between_groups),
        between_sites=tuple(between_sites),
        across_split=tuple(across_split),
        split_groups=_split_groups(samples, held),
        shared_groups=_shared_groups(samples),
        split=split,
    )


def _validation(samples: Sequence[Sample], share: float, seed: int) -> tuple[set[int], str]:
    """Positions of the frames that validate, and the split in words."""
    try:
        _, held = split_by_group(group_ids(samples), share, seed, [s.site for s in samples])
    except DataError as error:
        return set(), f"no split: {error}"
    return set(held), f"validation share {share:g}, seed {seed}"


def _split_groups(samples: Sequence[Sample], held: set[int]) -> tuple[str, ...]:
    sides: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for index, sample in enumerate(samples):
        if sample.group is not None:
            sides[sample.site, sample.group].add(index in held)
    return tuple(f"{site}/{group}" for (site, group), seen in sides.items() if len(seen) == 2)


def _shared_groups(samples: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
    where: dict[str, dict[str, None]] = defaultdict(dict)
    for sample in samples:
        if sample.group is not None:
            where[sample.group][sample.site] = None
    return {group: tuple(sites) for group, sites in where.items() if len(sites) > 1}
