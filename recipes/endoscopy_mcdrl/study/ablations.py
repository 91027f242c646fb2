"""The tables that take a method apart, with the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

from ..methods import title_of
from . import notes, paper, plan
from .cells import Cell, CellRecord
from .metrics import NAMES
from .printed import Table
from .settings import StudySettings
from .written import bracketed, by, known, label, named, overall, trained, varied

if TYPE_CHECKING:
    import pandas as pd


def module_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """Without MTRS, without CDRL: the paper's Table 3."""
    metric, sites = settings.metric, list(dict.fromkeys(frame["holdout"]))
    beside, rows = _has_dice(settings), []
    for backbone, method, own in trained(frame, settings, tuple(paper.MODULES)):
        told = paper.MODULES[method] if beside else {}
        ours = zip(sites, by(own, "holdout", sites, metric), strict=True)
        values = [bracketed(text, told.get(site), settings) for site, text in ours]
        row = label(title_of(method, settings), backbone, settings)
        rows.append((row, *values, overall(own, metric), *([known(told.get("mean"))] * beside)))
    return Table(
        named("modules", metric),
        f"What each module adds, {notes.seeds(settings)}",
        ("", *sites, NAMES[metric], *(["paper's Dice"] * beside)),
        tuple(rows),
        (
            notes.POLICY,
            "Without CDRL, MTRS chooses regions and nothing acts on them: regions that are not "
            "chosen keep their features here, so that only the contrastive loss tells it from the "
            "baseline.",
            *(notes.published_modules(settings) if beside else ()),
            *notes.oracle(settings),
        ),
    )


def dictionary_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """By the dictionary's size: the paper's Table 4."""
    scored = tuple(dict.fromkeys((settings.metric, "nsd")))
    beside = _has_dice(settings)
    rows = [
        (
            label(str(size), backbone, settings),
            *(overall(own, metric) for metric in scored),
            *([known(paper.DICTIONARY.get(size))] * beside),
        )
        for backbone, size, own in varied(frame, settings, "prompts", plan.usual_size())
    ]
    return Table(
        named("dictionary", settings.metric),
        f"Size of the dictionary, {title_of(settings.ablated, settings)}, {notes.seeds(settings)}",
        ("prompts", *(NAMES[metric] for metric in scored), *(["paper's Dice"] * beside)),
        tuple(rows),
        (
            notes.POLICY,
            "Each dictionary holds the prompts of the smaller ones.",
            *(notes.published_ablation(settings) if beside else ()),
            *notes.oracle(settings),
        ),
    )


def depth_table(
    frame: pd.DataFrame, records: Sequence[CellRecord], settings: StudySettings
) -> Table:
    """By the number of intervention layers: the paper's Table 5."""
    metric, beside, cost = settings.metric, _has_dice(settings), settings.pack == paper.PACK
    rows = []
    for backbone, depth, own in varied(frame, settings, "depth", settings.depth):
        cells = [r for r in records if _what(r.cell, settings) == (backbone, depth)]
        dice, size, time = paper.DEPTH.get(depth, (None, None, None))
        rows.append(
            (
                label(str(depth), backbone, settings),
                overall(own, metric),
                f"{mean(record.parameters for record in cells) / 1e6:.2f}",
                f"{mean(record.latency for record in cells):.1f}",
                *([known(dice)] * beside),
                *([known(size), known(time)] if cost else []),
            )
        )
    published = (*(["paper's Dice"] * beside), *(["its M", "its ms"] if cost else []))
    return Table(
        named("depth", metric),
        f"Intervention layers, {title_of(settings.ablated, settings)}, {notes.seeds(settings)}",
        ("layers", NAMES[metric], "M parameters", "ms", *published),
        tuple(rows),
        (
            notes.POLICY,
            "Parameters are the intervention's; milliseconds are one picture through the whole "
            f"model, on {', '.join(sorted({record.device for record in records}))}.",
            *notes.published_ablation(settings),
            *notes.oracle(settings),
        ),
    )


def _what(cell: Cell, settings: StudySettings) -> tuple[str, int]:
    return cell.backbone, settings.depth if cell.depth is None else cell.depth


def _has_dice(settings: StudySettings) -> bool:
    """Say whether the paper has this metric of this kind of picture."""
    return settings.metric == "dice" and settings.pack == paper.PACK
