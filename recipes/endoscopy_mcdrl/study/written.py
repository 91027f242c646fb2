"""Frames of a study as the cells of a table: which rows there are, and how a score is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deconfound.study.statistics import summarise

from . import paper
from .metrics import pooled_of, scale
from .settings import StudySettings

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "–"
"""Stands for a figure that nobody has."""


def trained(
    frame: pd.DataFrame, settings: StudySettings, methods: Sequence[str]
) -> list[tuple[str, str, pd.DataFrame]]:
    """Return backbone, method and frames of every row of a table of methods."""
    return [
        (b, m, frame[(frame["backbone"] == b) & (frame["method"] == m)])
        for b in settings.all_backbones
        for m in methods
    ]


def varied(
    frame: pd.DataFrame, settings: StudySettings, name: str, usual: int
) -> list[tuple[str, int, pd.DataFrame]]:
    """Return backbone, value and frames of every row of a table that varies one setting.

    Frames that do not say its value are of a model with the usual one.
    """
    values = frame["setting"].map(lambda text: json.loads(text).get(name, usual))
    return [
        (backbone, int(value), frame[(frame["backbone"] == backbone) & (values == value)])
        for backbone in settings.all_backbones
        for value in sorted(set(values))
    ]


def label(text: str, backbone: str, settings: StudySettings) -> str:
    """Say the backbone too, where there are several."""
    return text if len(settings.all_backbones) == 1 else f"{backbone.partition('/')[0]}, {text}"


def named(table: str, metric: str) -> str:
    """Return the name of a table's files; one of another metric leaves those of Dice alone."""
    return table if metric == "dice" else f"{table}-{metric}"


def by(frame: pd.DataFrame, column: str, values: Sequence[str], metric: str) -> list[str]:
    """Write a score for each value of a column."""
    found = summarise(frame, [column], metric).set_index(column)
    return [percent(found.loc[value], metric) for value in values]


def overall(frame: pd.DataFrame, metric: str) -> str:
    """Write a score over all held-out sites."""
    return percent(summarise(frame.assign(all="all"), ["all"], metric).iloc[0], metric)


def pooled_beside(found: pd.DataFrame, metric: str) -> tuple[str, ...]:
    """Write, of rows of `summarise`, the same score with pixels counted together, if there is one.

    Its deviation is in the table of that metric: here it would be too wide.
    """
    pooled = pooled_of(metric)
    return () if pooled is None else (mean_of(found[pooled], pooled),)


def pooled_head(metric: str) -> tuple[str, ...]:
    """Return the head of that column."""
    return () if pooled_of(metric) is None else ("pooled",)


def percent(row: Any, metric: str) -> str:
    """Write mean ± sd; the deviation of one seed is not known, and is left out."""
    times = scale(metric)
    spread = f"±{times * row['sd']:.1f}" if row["sd"] == row["sd"] else ""
    return f"{times * row['mean']:.1f}{spread}"


def mean_of(values: pd.Series, metric: str) -> str:
    """Write the mean of several scores."""
    return f"{scale(metric) * values.mean():.1f}"


def known(figure: str | None) -> str:
    """Return a published figure, or what stands for one that nobody has."""
    return UNKNOWN if figure is None else figure


def bracketed(text: str, figure: str | None, settings: StudySettings) -> str:
    """Put a published figure behind ours, where both mean the same."""
    if figure is None or settings.pack != paper.PACK:
        return text
    return f"{text} ({figure})"
