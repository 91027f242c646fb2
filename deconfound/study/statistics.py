"""What a study says: means with their spread over seeds, and paired differences with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deconfound.errors import DataError, unknown_name
from deconfound.study.results import COUNTS, KEY, require_one

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Columns of `summarise` that are shares of all pixels counted together.
POOLED = ("pooled_dice", "pooled_iou", "pooled_acc")


@dataclass(frozen=True, slots=True)
class PairedInterval:
    """Mean difference of two methods on the same images, second minus first.

    Attributes:
        mean: in the units of the score; below 0 is better for HD95 alone.
        low: lower end of the 95 % interval; nan where a site has one group alone.
        high: its upper end, likewise.
        images: how many images both methods were scored on.
        groups: patients or sequences they come from, an image of nobody's being one of its own.
        holdouts: held-out sites.
        seeds: trainings of each method that were averaged.
    """

    mean: float
    low: float
    high: float
    images: int
    groups: int
    holdouts: int
    seeds: int

    @property
    def settled(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def summarise(frame: DataFrame, by: Sequence[str], metric: str = "dice") -> DataFrame:
    """Average a score over images, then over held-out sites, and tell its spread over seeds.

    A site counts the same whether it has thirty images or a thousand. Where ``holdout`` is in
    ``by``, a row is one site and there is nothing to average over. Where ``method`` is, methods are
    compared, and all of them must have been scored on the same frames with the same seeds.

    Args:
        frame: rows as :func:`deconfound.study.read_results` gives them.
        by: columns; each combination of their values that occurs becomes a row.
        metric: the score; one of `POOLED` counts the pixels of a site together.

    Returns:
        The columns of ``by``, sorted by them; ``mean`` and ``sd`` over seeds of the mean over
        images (sd with n - 1, nan for one seed); ``pooled_dice``, ``pooled_iou`` and
        ``pooled_acc``, with the pixels of a site counted together (several lesion classes summed)
        and averaged likewise; ``seeds`` and ``images``, how many there are. No rows make no rows.

    Raises:
        DataError: a column or value that is missing, an image that is there twice within a seed, or
            one that only some of the seeds, or of the methods that are compared, have.
    """
    by = list(dict.fromkeys(by))
    if not by:
        raise DataError("summarise: expected at least one column to group by, found none")
    own = [] if metric in POOLED else [metric]
    rows = _sound(frame, by, [*own, "acc", *COUNTS])
    if "method" in by:
        _require_same_frames(rows, [column for column in by if column != "method"])
    scores = ["mean", *POOLED]
    seeds = _unique(by, "seed")
    sites = _per_site(rows, _unique(seeds, "holdout"), metric).groupby(seeds, dropna=False)
    per_seed = sites[scores].mean().assign(images=sites["images"].sum()).reset_index()
    groups = per_seed.groupby(by, dropna=False)
    table = groups[scores].mean()
    table.insert(1, "sd", groups["mean"].std(ddof=1))
    table["seeds"], table["images"] = groups.size(), groups["images"].first()
    return table.reset_index()


def paired_bootstrap(
    frame: DataFrame,
    first: str,
    second: str,
    metric: str = "dice",
    draws: int = 2000,
    seed: int = 0,
) -> PairedInterval:
    """Compare two methods on the same images (cluster bootstrap, 95 % percentile interval).

    Within each held-out site whole groups are redrawn with replacement, as frames of one patient
    tell less than as many patients (Davison and Hinkley 1997, section 3.8); a redrawn site's
    difference is the mean over its images, and the sites count the same. Seeds are averaged image
    by image first: the interval tells what other patients would change, and nothing of other seeds
    or other hospitals. From a site with one group nothing can be redrawn, and there is no interval.

    Args:
        frame: rows as :func:`deconfound.study.read_results` gives them, of one backbone and one
            setting for each of the two methods; other methods' rows are not looked at.
        first: a value of ``method``, usually the baseline.
        second: the other.
        metric: the score.
        draws: bootstrap samples.
        seed: of the resampling.

    Raises:
        UnknownNameError: a method that has no rows.
        DataError: an image, or a seed of it, that one of the two has and the other has not; an
            image that is there twice within a seed, or in two groups.
    """
    known = frame["method"].unique()
    for method in (first, second):
        if method not in known:
            raise unknown_name("method", method, known)
    rows = _sound(frame[frame["method"].isin([first, second])], ["method"], [metric])
    require_one(rows, "group", "paired_bootstrap")
    images = _differences(rows, first, second, metric)
    generator = np.random.default_rng(seed)
    sites, redrawn, number = [], [], 0
    for _, site in images.groupby("holdout"):
        sums, sizes = _clusters(site)
        picks = generator.integers(len(sums), size=(draws, len(sums)))
        means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
        redrawn.append(means if len(sums) > 1 else np.full(draws, np.nan))
        sites.append(sums.sum() / sizes.sum())
        number += len(sums)
    low, high = np.quantile(np.mean(redrawn, axis=0), (0.025, 0.975))
    return PairedInterval(
        mean=float(np.mean(sites)),
        low=float(low),
        high=float(high),
        images=len(images),
        groups=number,
        holdouts=len(sites),
        seeds=rows["seed"].nunique(),
    )


def _sound(frame: DataFrame, by: list[str], values: list[str]) -> DataFrame:
    """Return the rows in an order of their own, so that sums do not depend on the frame's.

    Every image must be there once for each seed: neither counted twice nor left out in silence.
    """
    unit = _unique(by, "holdout", "image")
    needed = _unique([*unit, "seed"], *values)
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise DataError(f"expected the columns {', '.join(needed)}, missing: {', '.join(missing)}")
    for column in values:
        _require(frame[column].notna(), frame, f"expected a value of {column}, found none")
    rows = frame.sort_values(_unique(unit, "seed"), ignore_index=True)
    once = ~rows.duplicated(_unique(unit, "seed"), keep=False)
    if not once.all():
        _, several = next(iter(rows[~once].groupby(_unique(unit, "seed"), dropna=False)))
        _require(once, rows, f"expected one row, found {len(several)}: {_apart(several)}")
    seeds = rows.groupby(by, dropna=False)["seed"].transform("nunique")
    own = rows.groupby(unit, dropna=False)["seed"].transform("nunique")
    if "seed" not in by:
        _require(
            own == seeds, rows, "expected a row for every seed, found this one but not all others"
        )
    return rows


def _require_same_frames(rows: DataFrame, apart: list[str]) -> None:
    """Require every method to have all frames of the others, for each value of further columns."""
    for _, alike in rows.groupby(apart, dropna=False) if apart else [((), rows)]:
        frames = alike.groupby(["holdout", "image", "seed", "method"]).size().unstack("method")
        alone = frames[frames.isna().any(axis=1)]
        if len(alone):
            holdout, image, seed = alone.index[0]
            lacking = alone.iloc[0].isna()
            raise DataError(
                f"image {image} of {holdout}, seed {seed}: expected a row of {lacking.idxmax()} as "
                f"of {lacking.idxmin()}, found none ({len(alone)} such frames in all); "
                f"finish all methods, or choose the sites and seeds that all of them have"
            )


def _require(holds: Series, rows: DataFrame, sentence: str) -> None:
    """Raise DataError with the first row for which something does not hold."""
    if not holds.all():
        row = rows[~holds].iloc[0]
        told = ", ".join(f"{column} {row[column]}" for column in KEY if column in rows.columns)
        raise DataError(f"{told}: {sentence} ({int((~holds).sum())} rows in all)")


def _apart(rows: DataFrame) -> str:
    """Say in which columns the rows of one image and seed differ, and what to do."""
    columns = [c for c in ("method", "backbone", "setting") if c in rows and rows[c].nunique() > 1]
    if not columns:
        return "give every image of a site a name of its own"
    return f"choose one {' and '.join(columns)}, or keep them apart"


def _per_site(rows: DataFrame, keys: list[str], metric: str) -> DataFrame:
    """Mean over images and pooled scores of every seed and held-out site."""
    from deconfound.overlap import per_image_scores

    pixels = rows[list(COUNTS)].sum(axis=1)
    # Weighted by pixels, accuracy stays the share of pixels labelled right with several classes,
    # where the sum of tp and tn over them is something else.
    rows = rows.assign(pixels=pixels, right=rows["acc"] * pixels)
    groups = rows.groupby(keys, dropna=False)
    counts = groups[[*COUNTS, "pixels", "right"]].sum()
    pooled = per_image_scores(counts[list(COUNTS)].to_numpy()[:, None])
    table = groups.size().to_frame("images")
    table["pooled_dice"], table["pooled_iou"] = pooled[:, 0], pooled[:, 1]
    table["pooled_acc"] = counts["right"] / counts["pixels"]
    table["mean"] = table[metric] if metric in POOLED else groups[metric].mean()
    return table.reset_index()


def _differences(rows: DataFrame, first: str, second: str, metric: str) -> DataFrame:
    """One row per image: holdout, image, group, and the difference, averaged over seeds."""
    pairs = rows.pivot(index=["holdout", "image", "seed"], columns="method", values=metric)
    alone = pairs[pairs.isna().any(axis=1)]
    if len(alone):
        holdout, image, seed = alone.index[0]
        has = second if np.isnan(alone.iloc[0][first]) else first
        lacks = first if has == second else second
        raise DataError(
            f"image {image} of {holdout}, seed {seed}: expected a partner of {has} for {lacks}, "
            f"found none ({len(alone)} without a partner in all); finish both methods, or choose "
            f"the sites and seeds that both have"
        )
    difference = (pairs[second] - pairs[first]).groupby(level=["holdout", "image"]).mean()
    groups = rows.drop_duplicates(["holdout", "image"]).set_index(["holdout", "image"])["group"]
    return difference.to_frame("difference").join(groups).reset_index()


def _clusters(site: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Sum of differences and number of images of each group; an image of nobody's is its own."""
    known = site["group"].notna() & (site["group"] != "")
    alone = site["image"].where(~known, "")
    groups = site.groupby([site["group"].where(known, ""), alone])["difference"]
    return groups.sum().to_numpy(), groups.size().to_numpy()


def _unique(columns: Sequence[str], *more: str) -> list[str]:
    return list(dict.fromkeys([*columns, *more]))
