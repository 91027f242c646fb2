"""The scores that a table can be drawn of, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Metric = Literal[
    "dice", "iou", "acc", "hd95", "nsd", "pooled_dice", "pooled_iou", "pooled_acc"
]  # fmt: skip

NAMES: Mapping[str, str] = {
    "dice": "Dice",
    "iou": "IoU",
    "acc": "Acc",
    "hd95": "HD95",
    "nsd": "NSD",
    "pooled_dice": "pooled Dice",
    "pooled_iou": "pooled IoU",
    "pooled_acc": "pooled Acc",
}
"""Heads of columns, by the names of `deconfound.study.summarise`."""

BY_FRAME = ("dice", "iou", "acc", "nsd", "hd95")
"""Those that every frame has by itself."""


def scale(metric: str) -> float:
    """Return what a score is multiplied by: shares are told in percent, distances in pixels."""
    return 1.0 if metric == "hd95" else 100.0


def pooled_of(metric: str) -> str | None:
    """Return the same score with all pixels of a site counted together, where there is one."""
    return f"pooled_{metric}" if f"pooled_{metric}" in NAMES else None
