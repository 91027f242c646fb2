"""What the numbers are as JSON: ``summary.json``, and what ``--json`` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from deconfound.benchmark.apart import apart
from deconfound.benchmark.axes import along_axes
from deconfound.benchmark.cells import Outcome
from deconfound.benchmark.finding import halves
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.summary import shares_of


def summary_of(outcomes: Sequence[Outcome], settings: BenchmarkSettings) -> dict[str, Any]:
    """Return the shares of every world at its base point, under its name, and three tidy lists.

    ``axes`` has a line for each world, method and value of what was varied, ``apart`` one for each
    method and kind of confounder in worlds that have both kinds, ``halves`` one for each world,
    method and task, finding lesions and naming them.
    """
    shares = {world: shares_of(world, outcomes, settings) for world in settings.worlds}
    summary: dict[str, Any] = {
        world: [asdict(share) for share in found] for world, found in shares.items()
    }
    summary["axes"] = [
        {"axis": point.axis, "value": point.value, **asdict(point.share)}
        for world in settings.worlds
        for point in along_axes(world, outcomes, settings)
    ]
    cells = [share.cell for found in shares.values() for share in found]
    summary["apart"] = [asdict(each) for cell in cells for each in apart(outcomes, cell)]
    summary["halves"] = [asdict(each) for cell in cells for each in halves(outcomes, cell)]
    finite: dict[str, Any] = _finite(summary)
    return finite


def _finite(value: Any) -> Any:
    """Return the value with numbers that JSON cannot hold, such as missing intervals, as null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
