"""A site looked over before anything is trained on it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from deconfound.data.images import read_pair
from deconfound.data.samples import Sample, Site
from deconfound.errors import DataError


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
    read: list[tuple[Sample, tuple[int, int], float]] = []
    problems = list(site.problems)
    with ThreadPoolExecutor(threads) as pool:
        for done, (sample, found) in enumerate(
            zip(site.samples, pool.map(_look, site.samples), strict=True), 1
        ):
            if isinstance(found, str):
                problems.append(found)
            else:
                read.append((sample, *found))
            if progress is not None:
                progress(done, len(site.samples))
    sizes = sorted((size for _, size, _ in read), key=lambda size: size[0] * size[1])
    samples = [sample for sample, _, _ in read]
    shares = [share for _, _, share in read]
    return SiteReport(
        name=site.name,
        pairs=len(read),
        smallest=sizes[0] if sizes else None,
        median=sizes[len(sizes) // 2] if sizes else None,
        largest=sizes[-1] if sizes else None,
        groups=len({s.group for s in samples if s.group is not None}),
        ungrouped=sum(s.group is None for s in samples),
        classes=_classes(samples),
        foreground=statistics.fmean(shares) if shares else 0.0,
        empty_masks=sum(share == 0 for share in shares),
        problems=tuple(problems),
        notes=site.notes,
    )


def _look(sample: Sample) -> tuple[tuple[int, int], float] | str:
    """Size (width, height) and share of foreground, or what is wrong."""
    try:
        image, mask = read_pair(sample)
    except DataError as error:
        return str(error)
    return (image.shape[1], image.shape[0]), float((mask > 0).mean())


def _classes(samples: Sequence[Sample]) -> dict[str, int]:
    return dict(Counter(sample.class_name or "unknown" for sample in samples).most_common())
