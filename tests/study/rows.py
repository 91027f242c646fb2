"""Tables of results, made up row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from deconfound.study.results import COLUMNS

ORDINARY: Mapping[str, Any] = {
    "method": "baseline",
    "title": "Baseline",
    "backbone": "mini",
    "holdout": "North",
    "seed": 0,
    "setting": "{}",
    "image": "a.png",
    "group": "",
    "lesion": "polyp",
    "dice": 0.5,
    "iou": 0.4,
    "acc": 0.9,
    "hd95": 3.5,
    "nsd": 0.6,
    "tp": 1,
    "fp": 1,
    "fn": 1,
    "tn": 1,
}


def table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows that differ from an ordinary one as said."""
    return pd.DataFrame([{**ORDINARY, **row} for row in rows], columns=list(COLUMNS))


def two_methods(
    differences: np.ndarray, groups: Iterable[str] | None = None, holdout: str = "North"
) -> pd.DataFrame:
    """Return a baseline at Dice 0.4 and "ours" above it by ``differences``, one for each image."""
    names = list(groups) if groups is not None else [""] * len(differences)
    return table(
        {
            "method": method,
            "holdout": holdout,
            "image": f"{number:04}.png",
            "group": group,
            "dice": 0.4 + (difference if method == "ours" else 0.0),
        }
        for method in ("baseline", "ours")
        for number, (difference, group) in enumerate(zip(differences, names, strict=True))
    )
