"""``sites``: what lies in a folder of datasets, and what is wrong with it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import ConfigDict, Field
from rich import box
from rich.console import Console
from rich.table import Table

from deconfound.data import (
    LeakageReport,
    SharedPicture,
    SiteReport,
    SplitLeak,
    check_leakage,
    check_site,
)
from deconfound.data.duplicates import BITS
from deconfound.errors import ConfigurationError
from deconfound.flags import flag_of
from deconfound.settings import Settings
from deconfound.training.counting import counting
from deconfound.training.reading import Watch

from .cohort import spread
from .config import RecipeConfig
from .console import beginning_at
from .flags import parse
from .readers import Survey, survey

VALIDATION_SHARE: float = RecipeConfig.model_fields["validation_share"].default
"""Of the recipe's own splits."""

_SHOWN_VALUES = 8
_SHOWN_LEAKS = 20


class SitesFlags(Settings):
    """Say what lies in a folder: pairs, sizes, patients, classes, problems.

    Attributes:
        data: folder with the datasets as released, or a manifest.csv.
        check: compare every image with every other, and say which near-duplicates and patients
            cross from one group, site, or side of a split into another; exit with status 1 if
            there are any, or a problem with a file.
        seed: of the first split that is looked at.
        seeds: how many splits are looked at, counted up from --seed.
        validation_share: of these splits.
        frames_per_site: look at what such a training sees alone, at most that many frames of each
            site; all by default.
        bgr: names of the sites whose files store blue first.
        json_output: print everything as JSON (--json).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    check: bool = False
    seed: int = 0
    seeds: int = Field(3, ge=1)
    validation_share: float = Field(VALIDATION_SHARE, gt=0, lt=1)
    frames_per_site: Annotated[int, Field(ge=8)] | None = None
    bgr: tuple[str, ...] = ()
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False


def main(arguments: Sequence[str]) -> int:
    """Look over the sites as the flags say.

    Returns:
        1 where --check found something, else 0.
    """
    flags = parse(SitesFlags, arguments, "sites")
    _refuse_unread(flags)
    found = survey(flags.data, flags.bgr)
    reports = _check(found)
    leakage = _compare(found, flags) if flags.check else None
    if flags.json_output:
        _print_json(found, reports, leakage)
    else:
        _show_all(found, reports, leakage, flags.validation_share)
    problems = any(report.problems for report in reports)
    return int(leakage is not None and (leakage.leaks or problems))


def _refuse_unread(flags: SitesFlags) -> None:
    """Refuse to be told of splits where none is looked at."""
    for name in ("seed", "seeds", "validation_share", "frames_per_site"):
        if not flags.check and getattr(flags, name) != SitesFlags.model_fields[name].default:
            raise ConfigurationError(
                f"{flag_of(name)}: expected --check, which looks at splits; "
                f"add it, or leave this out"
            )


def _print_json(
    found: Survey, reports: Sequence[SiteReport], leakage: LeakageReport | None
) -> None:
    values: dict[str, Any] = {
        "sites": [report.to_mapping() for report in reports],
        "ignored": [{"folder": str(folder), "why": why} for folder, why in found.ignored],
    }
    if leakage is not None:
        values["leakage"] = leakage.to_mapping()
    print(json.dumps(values, indent=2))


def _check(found: Survey) -> list[SiteReport]:
    total = sum(len(site.samples) for site in found.sites)

    def look(progress: Watch) -> list[SiteReport]:
        reports, before = [], 0
        for site in found.sites:
            reports.append(check_site(site, beginning_at(progress, before, total)))
            before += len(site.samples)
        return reports

    return counting(Console(stderr=True), "images", look)


def _compare(found: Survey, flags: SitesFlags) -> LeakageReport:
    share, seeds = flags.validation_share, range(flags.seed, flags.seed + flags.seeds)
    trained = [
        replace(site, samples=tuple(spread(site.samples, flags.frames_per_site)))
        for site in found.sites
    ]
    return counting(
        Console(stderr=True),
        "near-duplicates",
        lambda progress: check_leakage(trained, share, seeds, progress),
    )


def _show_all(
    found: Survey, reports: Sequence[SiteReport], leakage: LeakageReport | None, share: float
) -> None:
    console = Console()
    _show(found, reports, console)
    if leakage is not None:
        _show_leakage(leakage, share, console)


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
        for remark in (*_sizes(report), *_values(report), *report.notes):
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


def _values(report: SiteReport) -> tuple[str, ...]:
    """Return the mask files' values and the pictures' colour, as far as they tell something."""
    said = []
    if report.mask_values:
        shown = ", ".join(map(str, report.mask_values[:_SHOWN_VALUES]))
        more = len(report.mask_values) > _SHOWN_VALUES
        ends = f"{report.mask_values[0]} to {report.mask_values[-1]}"
        said.append(
            f"mask values {ends}, {len(report.mask_values)} of them"
            if more
            else f"mask values {shown}"
        )
    if 2 * report.bluish > report.pairs:
        said.append(
            f"{report.bluish} of {report.pairs} pictures are more blue than red: if their files "
            f"hold blue first, say so with --bgr {shlex.quote(report.name)}"
        )
    return tuple(said)


def _show_leakage(report: LeakageReport, share: float, console: Console) -> None:
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    say(
        f"\nnear-duplicates among {report.images} images: {report.within_groups} pairs within a "
        f"group, which no split divides; {len(report.between_groups)} between groups of a site; "
        f"{len(report.between_sites)} between sites"
    )
    if report.no_split is not None:
        say(f"no split: {report.no_split}")
    for split in report.splits:
        say(
            f"split of seed {split.seed}, validation share {share:g}: {len(split.pairs)} pairs "
            f"with one frame in training and one in validation; {len(split.groups)} groups on both "
            f"sides"
        )
        for group in split.groups:
            say(f"leak: group {group} is on both sides of the split of seed {split.seed}")
    if report.shared_groups:
        names = list(report.shared_groups)
        shown = ", ".join([*names[:3], *["…"] * (len(names) > 3)])
        say(
            f"group names at more than one site: {shown}; if a name is one patient, join the sites "
            f"or keep the frames at one of them"
        )
    pairs = [*report.between_sites, *report.between_groups]
    for pair in pairs[:_SHOWN_LEAKS]:
        say(f"leak: {_described(pair)}{_divided(pair, report.splits)}")
    if len(pairs) > _SHOWN_LEAKS:
        say(f"{len(pairs) - _SHOWN_LEAKS} more pairs are in --json")


def _divided(pair: SharedPicture, splits: Sequence[SplitLeak]) -> str:
    """Say which splits have the two on different sides."""
    seeds = [str(split.seed) for split in splits if pair in split.pairs]
    if len(seeds) > 1:
        return f", across the splits of seeds {', '.join(seeds)}"
    return f", across the split of seed {seeds[0]}" if seeds else ""


def _described(pair: SharedPicture) -> str:
    return f"{pair.first} and {pair.second} show the same ({pair.distance} of {BITS} bits differ)"
