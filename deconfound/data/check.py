"""A site looked over before anything is trained on it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deconfound.data.images import read_pair, read_values
from deconfound.data.polygons import PolygonMask
from deconfound.data.samples import Sample, Site
from deconfound.errors import DataError

_BLUISH = 1.1  # times more blue than red; grey pictures have as much of either


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What was found at a site, every file having been read.

    Attributes:
        name: of the site.
        pairs: readable pairs.
        smallest, median, largest: (width, height); by area, the median being of a picture that
            exists.
        groups: number of patients or sequences; 0 where the site has none.
        ungrouped: pairs without a group, each of which is split on its own.
        classes: pairs by class; "unknown" where none is given.
        foreground: mean share of lesion pixels, empty masks included.
        empty_masks: pairs without a lesion pixel.
        mask_values: every value that the mask files hold, before a rule says what it means; empty
            where masks are drawn from polygons.
        bluish: pictures with more blue than red in them, which tissue has not.
        problems: one sentence for each file that cannot be used.
        notes: what the reader decided.
    """

    name: str
    pairs: int
    smallest: tuple[int, int] | None
    median: tuple[int, int] | None
    largest: tuple[int, int] | None
    groups: int
    ungrouped: int
    classes: dict[str, int]
    foreground: float
    empty_masks: int
    mask_values: tuple[int, ...]
    bluish: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def check_site(
    site: Site, progress: Callable[[int, int], None] | None = None, threads: int = 2
) -> SiteReport:
    """Read every pair of a site.

    Args:
        site: as a reader found it.
        progress: called with how many pairs are done, and of how many.
        threads: decoding runs outside Python's lock.
    """
    samples: list[Sample] = []
    looks: list[_Look] = []
    problems = list(site.problems)
    with ThreadPoolExecutor(threads) as pool:
        for done, (sample, found) in enumerate(
            zip(site.samples, pool.map(_look, site.samples), strict=True), 1
        ):
            if isinstance(found, str):
                problems.append(found)
            else:
                samples.append(sample)
                looks.append(found)
            if progress is not None:
                progress(done, len(site.samples))
    sizes = sorted((look.size for look in looks), key=lambda size: size[0] * size[1])
    return SiteReport(
        name=site.name,
        pairs=len(samples),
        smallest=sizes[0] if sizes else None,
        median=sizes[len(sizes) // 2] if sizes else None,
        largest=sizes[-1] if sizes else None,
        groups=len({s.group for s in samples if s.group is not None}),
        ungrouped=sum(s.group is None for s in samples),
        classes=_classes(samples),
        foreground=statistics.fmean(look.foreground for look in looks) if looks else 0.0,
        empty_masks=sum(look.foreground == 0 for look in looks),
        mask_values=tuple(sorted(frozenset().union(*(look.values for look in looks)))),
        bluish=sum(look.bluish for look in looks),
        problems=tuple(problems),
        notes=site.notes,
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What one pair shows: size (width, height), share of foreground, values, colour."""

    size: tuple[int, int]
    foreground: float
    values: frozenset[int]
    bluish: bool


def _look(sample: Sample) -> _Look | str:
    """Look at one pair, or say what is wrong with it."""
    try:
        image, mask = read_pair(sample)
        values = _values(sample)
    except DataError as error:
        return str(error)
    red, _, blue = image.reshape(-1, 3).mean(axis=0)
    size = (image.shape[1], image.shape[0])
    return _Look(size, float((mask > 0).mean()), values, bool(blue > _BLUISH * red))


def _values(sample: Sample) -> frozenset[int]:
    if isinstance(sample.mask_rule, PolygonMask):
        return frozenset()
    return frozenset(np.unique(read_values(sample.mask, sample.mask_rule)).tolist())


def _classes(samples: Sequence[Sample]) -> dict[str, int]:
    return dict(Counter(sample.class_name or "unknown" for sample in samples).most_common())
