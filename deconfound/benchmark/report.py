"""The benchmark's page: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from deconfound.benchmark.apart import apart
from deconfound.benchmark.axes import along_axes
from deconfound.benchmark.cells import DEFAULT, PLAIN, Cell, Outcome
from deconfound.benchmark.finding import halves
from deconfound.benchmark.methods import method_of
from deconfound.benchmark.prose import reading
from deconfound.benchmark.rows import rows_of, rows_of_sides, varied_rows
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.benchmark.summary import shares_of
from deconfound.training.files import write_text
from deconfound.training.report.page import fill


def write_report(
    path: Path, outcomes: Sequence[Outcome], settings: BenchmarkSettings, command: str
) -> Path:
    """Write the page of what is finished, which says how much that is."""
    worlds = [found for world in settings.worlds if (found := _world(world, outcomes, settings))]
    values = {
        "worlds": worlds,
        "cells": len(outcomes),
        "minutes": sum(outcome.seconds for outcome in outcomes) / 60,
        "seeds": len({outcome.cell.seed for outcome in outcomes}),
        "settings": settings,
        "command": command,
        "machine": machine(settings.accelerator),
    }
    write_text(path, fill("deconfound.benchmark", values))
    return path


def machine(accelerator: str) -> str:
    """Return what it ran on, in words; a GPU that is there counts where the accelerator is one."""
    used = accelerator in ("auto", "cuda") and torch.cuda.is_available()
    device = torch.cuda.get_device_name() if used else "no GPU"
    threads = torch.get_num_threads()
    return f"{platform.machine()}, {threads} threads, {device}, torch {torch.__version__}"


def _world(
    world: str, outcomes: Sequence[Outcome], settings: BenchmarkSettings
) -> dict[str, Any] | None:
    from deconfound.benchmark.figures import axis_panels, closed_panel, heat_panel

    shares = shares_of(world, outcomes, settings)
    if not shares:
        return None
    at_base = [o for o in outcomes if replace(o.cell, seed=0, method=PLAIN) == Cell(world, PLAIN)]
    heats = [
        heat_panel([o for o in at_base if o.cell.method == method], method_of(method).title)
        for method in (PLAIN, DEFAULT)
        if any(o.cell.method == method for o in at_base)
    ]
    kinds = {share.cell.method: apart(outcomes, share.cell) for share in shares}
    tasks = {share.cell.method: halves(outcomes, share.cell) for share in shares}
    points = along_axes(world, outcomes, settings)
    return {
        "name": world,
        "reading": reading(shares, kinds.get(DEFAULT, []), tasks.get(DEFAULT, [])),
        "panels": [closed_panel(shares, world), *axis_panels(points)],
        "heats": heats,
        "rows": rows_of(world, outcomes, shares),
        "apart": rows_of_sides(kinds.values()),
        "halves": rows_of_sides(tasks.values()),
        "varied": varied_rows(points),
    }
