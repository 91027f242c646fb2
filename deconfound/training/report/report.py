"""Fill the page and write it."""

from __future__ import annotations

import json
import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deconfound.training.comparison import paired_difference
from deconfound.training.files import write_text
from deconfound.training.overlays import PALETTE, hex_of
from deconfound.training.report.context import Example, ReportContext
from deconfound.training.report.page import HOME, fill
from deconfound.training.report.prose import reading
from deconfound.training.table import (
    EMPTY_MASKS,
    METRICS,
    best_methods,
    difference,
    percent,
    row_keys,
    signed,
)

if TYPE_CHECKING:
    from deconfound.training.report.svg import Panel


def write_report(
    path: str | os.PathLike[str], context: ReportContext, *, pictures: bool = True
) -> Path:
    """Write the report as one HTML file that needs nothing but a browser.

    Args:
        path: the file; it appears whole or not at all.
        context: what to say.
        pictures: False leaves the gallery out, where images must not leave the house.

    Returns:
        The file's path.

    Raises:
        ConfigurationError: Jinja2 or matplotlib is not installed.
        RunFolderError: the file cannot be written.
    """
    path = Path(path)
    write_text(path, render_report(context, pictures=pictures))
    return path


def render_report(context: ReportContext, *, pictures: bool = True) -> str:
    """Return the page; see :func:`write_report`."""
    from deconfound.training.report.figures import curve_panels

    first, last = context.results[0], context.results[-1]
    paired = paired_difference(first, last) if len(context.results) > 1 else None
    legend = list(zip(context.class_names, map(hex_of, PALETTE), strict=False))
    values = {
        "context": context,
        "methods": [result.method for result in context.results],
        "first": first,
        "last": last,
        "paired": paired,
        "metrics": METRICS,
        "rows": _rows(context),
        "reading": reading(context, paired),
        "curves": curve_panels(context),
        "adjusted": _adjusted(context) if pictures else [],
        "weighed": _weighed(context) if pictures else [],
        "examples": _examples(context) if pictures else [],
        "used": _used(context, pictures),
        "legend": legend if context.multiclass else [],
        "empty_masks": EMPTY_MASKS,
        "config": json.dumps(dict(context.config), indent=2, ensure_ascii=False),
    }
    return fill(HOME, values, {"signed": signed})


def _rows(context: ReportContext) -> list[dict[str, Any]]:
    """Lay the table out: a row per class, site and overall; a cell per method and metric."""
    rows = []
    for key in row_keys(context.results):
        found = [result.row(*key) for result in context.results]
        leaders = {metric: best_methods(context.results, key, metric) for metric, _ in METRICS}
        cells = [
            {
                "text": "–" if row is None else percent(row.mean, metric),
                "best": result.method in leaders[metric],
                "starts": number == 0,
            }
            for result, row in zip(context.results, found, strict=True)
            for number, (metric, _) in enumerate(METRICS)
        ]
        images = max(row.images for row in found if row is not None)
        gap = difference(found[0], found[-1]) if len(found) > 1 else ""
        rows.append({"kind": key[0], "name": key[1], "images": images, "cells": cells, "gap": gap})
    return rows


def _examples(context: ReportContext) -> list[dict[str, Any]]:
    from deconfound.training.report.figures import example_panels

    return [
        {
            "title": example.title,
            "panels": example_panels(example, context),
            "groups": _weights(example, context),
        }
        for example in context.examples
    ]


def _adjusted(context: ReportContext) -> list[list[Panel]]:
    from deconfound.training.report.figures import adjusted_panels

    return [adjusted_panels(each, context) for each in context.adjusted]


def _weighed(context: ReportContext) -> list[list[Panel]]:
    from deconfound.training.report.figures import weighed_panels

    return [weighed_panels(each, context) for each in context.weighed]


def _used(context: ReportContext, pictures: bool) -> dict[str, Any] | None:
    """Return what the section about the model's use of its dictionary shows, if there is one."""
    if context.used is None:
        return None
    from deconfound.training.report.used import used_panels
    from deconfound.training.report.used_maps import used_maps
    from deconfound.training.report.used_words import overlap_sentences, used_sentences

    return {
        "sentences": used_sentences(context.used),
        "warnings": overlap_sentences(context.used),
        "panels": used_panels(context.used),
        "maps": used_maps(context.used) if pictures else [],
    }


def _weights(example: Example, context: ReportContext) -> list[dict[str, Any]]:
    """Return the attention bars of one example, grouped as the pack groups its confounders.

    All examples share one scale, so that their bars can be compared.
    """
    if example.weights is None:
        return []
    drawn = [e.weights for e in context.examples if e.weights is not None]
    top = max([float(weights.max()) for weights in drawn], default=0.0)
    top = 1.05 * max([top, *(entry.prior for entry in context.confounders)])
    bars = zip(context.confounders, example.weights.tolist(), strict=True)
    return [
        {
            "name": group,
            "bars": [
                {
                    "name": entry.name,
                    "percent": f"{100 * weight:.1f}",
                    "width": f"{100 * weight / top:.2f}",
                    "prior": f"{100 * entry.prior / top:.2f}",
                }
                for entry, weight in members
            ],
        }
        for group, members in groupby(bars, key=lambda bar: bar[0].group)
    ]
