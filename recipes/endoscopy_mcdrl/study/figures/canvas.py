"""A figure with axes of one size, and the file that it goes into."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from deconfound.extras import missing_extra
from deconfound.training.files import write_atomically

from ..cells import file_name
from ..store import Store


def grid(rows: int, columns: int, size: float, first: float | None = None) -> tuple[Any, Any]:
    """Return a figure and its axes, (rows, columns), of one size in inches but for the first."""
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise missing_extra("matplotlib", "figures") from error
    widths = [first or size, *[size] * (columns - 1)]
    canvas = Canvas(figsize=(sum(widths), (size + 0.3) * rows), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False, width_ratios=widths)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("#c8c8c8")
    return canvas, axes


def save(figure: Any, store: Store, name: str) -> Path:
    """Write a figure as PNG among those of the study; return where."""
    path = store.folder / "figures" / f"{file_name(name)}.png"
    with store.writing():
        write_atomically(path, partial(figure.savefig, dpi=160))
    return path
