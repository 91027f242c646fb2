"""A table is a query over the frames of finished cells, with the paper's figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from deconfound.errors import DataError
from deconfound.study.statistics import POOLED, paired_bootstrap, summarise
from deconfound.training.table import signed

from ..methods import GRIDS, title_of
from . import notes, paper
from .metrics import BY_FRAME, NAMES
from .printed import Table
from .settings import StudySettings
from .written import (
    bracketed,
    by,
    known,
    label,
    mean_of,
    named,
    overall,
    percent,
    pooled_beside,
    pooled_head,
    trained,
)

if TYPE_CHECKING:
    import pandas as pd


def main_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """One metric of methods by held-out site: the paper's Table 1."""
    metric, sites = settings.metric, list(dict.fromkeys(frame["holdout"]))
    found = trained(frame, settings, settings.methods)
    told = [paper.main_figure(backbone, method, metric) for backbone, method, _ in found]
    beside = settings.pack == paper.PACK and any(figure is not None for figure in told)
    rows = [
        (
            label(title_of(method, settings), backbone, settings),
            *by(own, "holdout", sites, metric),
            overall(own, metric),
            *pooled_beside(summarise(own, ["method"]), metric),
            *([known(figure)] * beside),
        )
        for (backbone, method, own), figure in zip(found, told, strict=True)
    ]
    return Table(
        named("main", metric),
        f"{NAMES[metric]} by held-out site, {notes.seeds(settings)}",
        ("", *sites, "mean", *pooled_head(metric), *(["paper"] * beside)),
        tuple(rows),
        (
            notes.POLICY,
            notes.search(settings),
            *notes.published_main(settings),
            *notes.oracle(settings),
        ),
        notes.sources(settings.methods),
    )


def metric_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """Every metric by frame, over all held-out sites, the paper's in brackets."""
    return Table(
        "metrics",
        f"Mean over held-out sites, {notes.seeds(settings)}",
        ("", *(NAMES[metric] for metric in BY_FRAME)),
        tuple(_over_sites(frame, settings, BY_FRAME)),
        (notes.POLICY, *notes.published_main(settings), *notes.oracle(settings)),
    )


def pooled_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """The same where all pixels of a site are counted together, which the paper does not say."""
    return Table(
        "pooled",
        f"Pixels of a site counted together, mean over held-out sites, {notes.seeds(settings)}",
        ("", *(NAMES[metric] for metric in POOLED)),
        tuple(_over_sites(frame, settings, POOLED)),
        (notes.POLICY, *notes.oracle(settings)),
    )


def _over_sites(
    frame: pd.DataFrame, settings: StudySettings, metrics: Sequence[str]
) -> list[tuple[str, ...]]:
    rows = []
    for backbone, method, own in trained(frame, settings, settings.methods):
        told = {metric: paper.main_figure(backbone, method, metric) for metric in metrics}
        values = [bracketed(overall(own, m), figure, settings) for m, figure in told.items()]
        rows.append((label(title_of(method, settings), backbone, settings), *values))
    return rows


def difference_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """How far each method is from the baseline and from the best rival, with intervals."""
    rows = []
    for backbone in settings.all_backbones:
        own = frame[frame["backbone"] == backbone]
        best = best_rival(own, settings.methods)
        for method in settings.methods:
            against = [
                _difference(own, other, method) if other not in (None, method) else "–"
                for other in ("baseline" if "baseline" in settings.methods else None, best)
            ]
            rows.append((label(title_of(method, settings), backbone, settings), *against))
    return Table(
        "differences",
        "Difference in Dice, points, with 95 % bootstrap intervals over patients",
        ("", "to the baseline", "to the best rival"),
        tuple(rows),
        (
            notes.POLICY,
            "Differences are on the same frames, averaged over seeds and then over sites; whole "
            "patients or video sequences are redrawn, where they are known; a site with one of "
            "them leaves no interval. The best rival is the best of these very results, which "
            "favours it.",
            *notes.published_differences(settings),
            *notes.oracle(settings),
        ),
    )


def best_rival(frame: pd.DataFrame, methods: Sequence[str]) -> str | None:
    """Return the rival of the highest mean Dice; None where there is no rival."""
    rivals = [m for m in methods if m not in GRIDS and m != "baseline"]
    found = summarise(frame[frame["method"].isin(rivals)], ["method"]) if rivals else None
    if found is None or found.empty:
        return None
    return str(found.loc[found["mean"].idxmax(), "method"])


def lesion_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """One metric of methods by lesion, the paper's Table 2 in brackets.

    Raises:
        DataError: nobody knows the lesion of any frame.
    """
    frame = frame[frame["lesion"] != ""]
    if frame.empty:
        raise DataError(
            "table lesions: expected frames whose lesion has a class, found none; name the classes "
            "in a manifest.csv (docs/data.md)"
        )
    metric, lesions = settings.metric, sorted(set(frame["lesion"]))
    rows = []
    for backbone, method, own in trained(frame, settings, settings.methods):
        found = summarise(own, ["lesion"], metric).set_index("lesion")
        values = {lesion: percent(found.loc[lesion], metric) for lesion in lesions}
        values["mean"] = mean_of(found["mean"], metric)
        told = [paper.lesion_figure(backbone, method, name, metric) for name in values]
        pairs = zip(values.values(), told, strict=True)
        cells = [bracketed(text, figure, settings) for text, figure in pairs]
        cells.extend(pooled_beside(found, metric))
        rows.append((label(title_of(method, settings), backbone, settings), *cells))
    return Table(
        named("lesions", metric),
        f"{NAMES[metric]} by lesion, {notes.seeds(settings)}",
        ("", *lesions, "mean of lesions", *pooled_head(metric)),
        tuple(rows),
        (
            notes.POLICY,
            notes.search(settings),
            *(notes.published_lesions(settings) if metric == "dice" else ()),
            *notes.oracle(settings),
        ),
        notes.sources(settings.methods),
    )


def _difference(frame: pd.DataFrame, first: str, second: str) -> str:
    found = paired_bootstrap(frame, first, second)
    told = signed(found.mean)
    return told if isnan(found.low) else f"{told} [{signed(found.low)}, {signed(found.high)}]"
