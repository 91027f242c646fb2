"""The benchmark's page: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from deconfound.benchmark.cells import BASE_SIZE, BASE_STRENGTH, DEFAULT, PLAIN, Cell, Outcome
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.reading import reading
from deconfound.benchmark.rows import rows_of
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.summary import Share, closed_share
from deconfound.training.files import write_text
from deconfound.training.report.page import fill


def write_report(
    path: Path, outcomes: Sequence[Outcome], settings: BenchmarkSettings, command: str
) -> Path:
    """Write the page; what is not finished is left out, and the page says how much is there."""
    worlds = [found for world in settings.worlds if (found := _world(world, outcomes, settings))]
    values = {
        "worlds": worlds,
        "cells": len(outcomes),
        "minutes": sum(outcome.seconds for outcome in outcomes) / 60,
        "seeds": len({outcome.cell.seed for outcome in outcomes}),
        "settings": settings,
        "command": command,
        "machine": machine(),
    }
    write_text(path, fill("deconfound.benchmark", values))
    return path


def shares_of(world: str, outcomes: Sequence[Outcome], settings: BenchmarkSettings) -> list[Share]:
    """Return every method's share at the base point of a world, best first."""
    cells = [Cell(world, method) for method in settings.methods]
    found = [share for cell in cells if (share := closed_share(outcomes, cell))]
    return sorted(found, key=lambda share: -share.gained.mean)


def machine() -> str:
    """Return what it ran on, in words."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    threads = torch.get_num_threads()
    return f"{platform.machine()}, {threads} threads, {device}, torch {torch.__version__}"


def _world(
    world: str, outcomes: Sequence[Outcome], settings: BenchmarkSettings
) -> dict[str, Any] | None:
    from deconfound.benchmark.figures import closed_panel, heat_panel

    shares = shares_of(world, outcomes, settings)
    if not shares:
        return None
    at_base = [o for o in outcomes if replace(o.cell, seed=0, method=PLAIN) == Cell(world, PLAIN)]
    heats = [
        heat_panel([o for o in at_base if o.cell.method == method], method_of(method).title)
        for method in (PLAIN, DEFAULT)
        if any(o.cell.method == method for o in at_base)
    ]
    return {
        "name": world,
        "reading": reading(shares),
        "panels": [closed_panel(shares, world), *_axes(world, outcomes, settings)],
        "heats": heats,
        "rows": rows_of(world, outcomes, shares),
    }


def _axes(world: str, outcomes: Sequence[Outcome], settings: BenchmarkSettings) -> list[Any]:
    """Draw Dice along strength, size and quality, as far as they were varied."""
    from deconfound.benchmark.figures import axis_panel

    axes = (
        ("strength", "Strength of the confounding", "probability that the class decides",
         [f"{s:g}" for s in sorted({BASE_STRENGTH, 0.0, *settings.strengths})]),
        ("size", "Size of the dictionary", "prompts, nested",
         [str(s) for s in sorted({BASE_SIZE, *settings.sizes})]),
        ("quality", "Quality of the dictionary", "words",
         list(dict.fromkeys(("true", *settings.qualities)))),
    )  # fmt: skip
    panels = []
    for field, title, unit, labels in axes:
        lines = {}
        for method in (PLAIN, *settings.methods):
            base = Cell(world, method)
            points_found = []
            for label in labels:
                value = type(getattr(base, field))(label)
                cell = replace(base, **{field: value})
                dice = [o.interventional for o in outcomes if replace(o.cell, seed=0) == cell]
                if dice:
                    points_found.append((label, sum(dice) / len(dice)))
            if len(points_found) > 2:
                lines[method_of(method).title] = points_found
        if lines:
            caption = "interventional Dice; " + ", ".join(lines)
            panels.append(axis_panel(title, caption, lines, unit))
    return panels
