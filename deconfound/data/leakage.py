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
class SplitLeak:
    """What one split into training and validation divides.

    Attributes:
        seed: of the split.
        pairs: near-duplicates of which one frame trains and the other validates.
        groups: with frames on both sides; none, unless the split is broken.
    """

    seed: int
    pairs: tuple[SharedPicture, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """Where knowledge could cross from one part of the data into another.

    Attributes:
        images: how many could be read and were compared.
        within_groups: near-duplicates in one patient or sequence of a site: expected in video, and
            harmless, because groups are never split.
        between_groups: near-duplicates in two groups of a site, or in frames without a group.
        between_sites: near-duplicates at two sites.
        splits: what each of the splits divides, of the two kinds above; none where the data cannot
            be split.
        no_split: why they cannot; None where they can.
        shared_groups: group names that more than one site uses, each with its sites.
    """

    images: int
    within_groups: int
    between_groups: tuple[SharedPicture, ...]
    between_sites: tuple[SharedPicture, ...]
    splits: tuple[SplitLeak, ...]
    no_split: str | None
    shared_groups: dict[str, tuple[str, ...]]

    @property
    def leaks(self) -> bool:
        """Whether a frame or a group was found where it should not be."""
        pairs = self.between_groups or self.between_sites
        return bool(pairs) or any(split.groups for split in self.splits)

    def to_mapping(self) -> dict[str, Any]:
        """Return JSON-able values."""
        values = asdict(self)
        for pairs in (
            values["between_groups"],
            values["between_sites"],
            *(split["pairs"] for split in values["splits"]),
        ):
            for pair in pairs:
                pair["first"], pair["second"] = str(pair["first"]), str(pair["second"])
        return values


def check_leakage(
    sites: Sequence[Site],
    share: float = 0.15,
    seeds: Sequence[int] = (0,),
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
) -> LeakageReport:
    """Compare every image with every other, once, and look at the splits.

    The split of a site does not depend on which other sites train with it, so one look holds for
    every site that may be held out.

    Args:
        sites: as readers found them.
        share: validation share of the splits, 0 < share < 1.
        seeds: of the splits.
        progress: called with how many images are done, and of how many.
        threads: decoding runs outside Python's lock.

    Raises:
        ConfigurationError: a share outside (0, 1), or ImageHash is not installed.
    """
    samples = [sample for site in sites for sample in site.samples]
    held, no_split = _validation(samples, share, seeds)
    readable, prints = fingerprints(samples, progress, threads)
    within = 0
    between_groups: list[SharedPicture] = []
    between_sites: list[SharedPicture] = []
    across: dict[int, list[SharedPicture]] = {seed: [] for seed in held}
    for pair in near_duplicates(prints):
        i, j = readable[pair.first], readable[pair.second]
        one, two = samples[i], samples[j]
        if one.site == two.site and one.group is not None and one.group == two.group:
            within += 1
            continue
        shared = SharedPicture(one.image, two.image, pair.distance)
        (between_groups if one.site == two.site else between_sites).append(shared)
        for seed, frames in held.items():
            if (i in frames) != (j in frames):
                across[seed].append(shared)
    return LeakageReport(
        images=len(readable),
        within_groups=within,
        between_groups=tuple(between_groups),
        between_sites=tuple(between_sites),
        splits=tuple(
            SplitLeak(seed, tuple(across[seed]), _split_groups(samples, frames))
            for seed, frames in held.items()
        ),
        no_split=no_split,
        shared_groups=_shared_groups(samples),
    )


def _validation(
    samples: Sequence[Sample], share: float, seeds: Sequence[int]
) -> tuple[dict[int, set[int]], str | None]:
    """Positions of the frames that validate, by seed; or why there is no split."""
    groups, sites = group_ids(samples), [sample.site for sample in samples]
    try:
        return {seed: set(split_by_group(groups, share, seed, sites)[1]) for seed in seeds}, None
    except DataError as error:
        return {}, str(error)


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
