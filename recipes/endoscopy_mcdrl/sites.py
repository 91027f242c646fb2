"""``sites``: what lies in a folder of datasets, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from deconfound.data import SiteReport, check_site

from .console import Progress, beginning_at, counting
from .flags import parse
from .readers import Survey, survey


@dataclass(frozen=True)
class SitesFlags:
    """Say what lies in a folder: pairs, sizes, patients, classes, problems.

    Attributes:
        data: folder with the datasets as released, or a manifest.csv.
        json: print everything as JSON.
    """

    data: Path
    json: bool = False


def main(arguments: Sequence[str]) -> None:
    """Look over the sites as the flags say."""
    flags = parse(SitesFlags, arguments, "sites")
    found = survey(flags.data)
    reports = _check(found)
    if flags.json:
        ignored = [{"folder": str(folder), "why": why} for folder, why in found.ignored]
        sites = [report.to_mapping() for report in reports]
        print(json.dumps({"sites": sites, "ignored": ignored}, indent=2))
    else:
        _show(found, reports, Console())


def _check(found: Survey) -> list[SiteReport]:
    total = sum(len(site.samples) for site in found.sites)

    def look(progress: Progress) -> list[SiteReport]:
        reports, before = [], 0
        for site in found.sites:
            reports.append(check_site(site, beginning_at(progress, before, total)))
            before += len(site.samples)
        return reports

    return counting(Console(stderr=True), "images", look)


def _show(found: Survey, reports: Sequence[SiteReport], console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("site", no_wrap=True)
    table.add_column("pairs", justify="right")
    for column in ("size", "groups", "classes"):
        table.add_column(column)
    for column in ("lesion", "empty", "problems"):
        table.add_column(column, justify="right")
    for report in reports:
        table.add_row(
            report.name,
            str(report.pairs),
            _size(report),
            str(report.groups or "unknown"),
            ", ".join(f"{name} {count}" for name, count in report.classes.items()),
            f"{100 * report.foreground:.1f} %",
            str(report.empty_masks),
            str(len(report.problems)),
        )
    console.print(table)
    console.print("groups: patients or sequences; lesion: mean share of pixels")
    for report in reports:
        for remark in report.notes:
            console.print(f"{report.name}: {remark}", highlight=False, markup=False, soft_wrap=True)
        for problem in report.problems:
            console.print(f"problem: {problem}", highlight=False, markup=False, soft_wrap=True)
    for folder, why in found.ignored:
        console.print(f"ignored: {folder} ({why})", highlight=False, markup=False, soft_wrap=True)


def _size(report: SiteReport) -> str:
    if report.median is None or report.smallest is None or report.largest is None:
        return "–"
    median = f"{report.median[0]}×{report.median[1]}"
    if report.smallest == report.largest:
        return median
    low, high = report.smallest, report.largest
    return f"{median} ({low[0]}×{low[1]} to {high[0]}×{high[1]})"
