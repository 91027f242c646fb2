"""``sites``: what lies in a folder of datasets, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
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
    for column in ("pairs", "groups", "lesion", "empty", "problems"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("classes")
    for report in reports:
        table.add_row(
            report.name,
            str(report.pairs),
            str(report.groups or "–"),
            f"{100 * report.foreground:.1f} %",
            str(report.empty_masks),
            str(len(report.problems)),
            ", ".join(report.classes),
        )
    console.print(table)
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    say("groups: patients or sequences; lesion: share of pixels; empty: lesion-free masks\n")
    for report in reports:
        for remark in (*_sizes(report), *report.notes):
            say(f"{report.name}: {remark}")
        for problem in report.problems:
            say(f"problem: {problem}")
    for folder, why in found.ignored:
        say(f"ignored: {folder} ({why})")


def _sizes(report: SiteReport) -> tuple[str, ...]:
    """Return the sizes in words; nothing where no pair could be read."""
    if report.median is None or report.smallest is None or report.largest is None:
        return ()
    small, middle, large = (f"{w}×{h}" for w, h in (report.smallest, report.median, report.largest))
    return (
        f"{middle} pixels" if small == large else f"{small} to {large} pixels, median {middle}",
    )
