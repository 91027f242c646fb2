"""A table is a query over the frames of finished cells, with the paper's figures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isnan
from statistics import mean
from typing import TYPE_CHECKING, Any

from deconfound.errors import DataError
from deconfound.study.statistics import paired_bootstrap, summarise

from ..methods import GRIDS, title_of
from . import paper
from .cells import CellRecord
from .printed import Table
from .settings import StudySettings

if TYPE_CHECKING:
    import pandas as pd

POLICY = (
    "Dice, IoU, Acc and NSD (within 2 pixels) in percent, HD95 in pixels; mean over frames, then "
    "over sites, ± standard deviation over seeds. Pooled: all pixels of a site counted together. "
    "A frame without lesion and without prediction scores Dice 100 and HD95 0; a frame on which "
    "one of the two is missing scores Dice 0 and the picture's diagonal. No frame is left out."
)


def main_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """Dice of methods by held-out site: the paper's Table 1."""
    sites = list(dict.fromkeys(frame["holdout"]))
    rows = []
    for backbone, method, own in _trained(frame, settings, settings.methods):
        found = summarise(own, ["method", "holdout"]).set_index("holdout")
        told = paper.MAIN.get((_as_in_paper(backbone), method))
        values = [_percent(found.loc[site]) for site in sites]
        label = _label(title_of(method, settings), backbone, settings)
        rows.append((label, *values, _overall(own, "dice"), f"{told[0]:.1f}" if told else "–"))
    return Table(
        "main",
        f"Dice by held-out site, {_seeds(settings)}",
        ("", *sites, "mean", "paper"),
        tuple(rows),
        (POLICY, _search_note(settings), _paper_note(), *_oracle_note(settings)),
    )


def metric_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """Every metric, over all held-out sites."""
    rows = [
        (
            _label(title_of(method, settings), backbone, settings),
            *(_overall(own, metric) for metric in ("dice", "iou", "acc", "nsd")),
            _overall(own, "hd95", scale=1.0),
            _pooled(own),
        )
        for backbone, method, own in _trained(frame, settings, settings.methods)
    ]
    return Table(
        "metrics",
        f"Mean over held-out sites, {_seeds(settings)}",
        ("", "Dice", "IoU", "Acc", "NSD", "HD95", "pooled Dice"),
        tuple(rows),
        (POLICY, *_oracle_note(settings)),
    )


def difference_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """How far each method is from the baseline and from the best rival, with intervals."""
    rows = []
    for backbone in settings.all_backbones:
        own = frame[frame["backbone"] == backbone]
        best = best_rival(own, settings.methods)
        for method in settings.methods:
            against = [
                _difference(own, other, method) if other not in (None, method) else "–"
                for other in ("baseline" if "baseline" in settings.methods else None, best)
            ]
            rows.append((_label(title_of(method, settings), backbone, settings), *against))
    return Table(
        "differences",
        "Difference in Dice, points, with 95 % bootstrap intervals over patients",
        ("", "to the baseline", "to the best rival"),
        tuple(rows),
        (
            "On the same frames, averaged over seeds and then over sites; whole patients or video "
            "sequences are redrawn, where they are known; a site with one of them leaves no "
            "interval. The best rival is the best of these very results, which favours it.",
            *_oracle_note(settings),
        ),
    )


def best_rival(frame: pd.DataFrame, methods: Sequence[str]) -> str | None:
    """Return the rival of the highest mean Dice; None where there is no rival."""
    rivals = [m for m in methods if m not in GRIDS and m != "baseline"]
    found = summarise(frame[frame["method"].isin(rivals)], ["method"]) if rivals else None
    if found is None or found.empty:
        return None
    return str(found.loc[found["mean"].idxmax(), "method"])


def lesion_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """Methods by lesion: the paper's Table 2.

    Raises:
        DataError: nobody knows the lesion of any frame.
    """
    frame = frame[frame["lesion"] != ""]
    if frame.empty:
        raise DataError(
            "table lesions: expected frames whose lesion has a class, found none; name the classes "
            "in a manifest.csv (docs/data.md)"
        )
    lesions, rows = sorted(set(frame["lesion"])), []
    for backbone, method, own in _trained(frame, settings, settings.methods):
        found = summarise(own, ["method", "lesion"]).set_index("lesion")
        told = paper.LESIONS.get(method, {})
        values = [
            f"{_percent(found.loc[lesion])}{f' ({told[lesion]})' if lesion in told else ''}"
            for lesion in lesions
        ]
        average = f"{100 * found['mean'].mean():.1f}"
        label = _label(title_of(method, settings), backbone, settings)
        rows.append((label, *values, average))
    return Table(
        "lesions",
        f"Dice by lesion, {_seeds(settings)} (the paper's in brackets)",
        ("", *lesions, "mean of lesions"),
        tuple(rows),
        (POLICY, _search_note(settings), _paper_note(), *_oracle_note(settings)),
    )


def module_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """Without MTRS, without CDRL: the paper's Table 3."""
    sites = list(dict.fromkeys(frame["holdout"]))
    rows = []
    for backbone, method, own in _trained(frame, settings, tuple(paper.MODULES)):
        found = summarise(own, ["method", "holdout"]).set_index("holdout")
        values = [_percent(found.loc[site]) for site in sites]
        told = f"{paper.MODULES[method]:.1f}"
        label = _label(title_of(method, settings), backbone, settings)
        rows.append((label, *values, _overall(own, "dice"), told))
    notes = (
        POLICY,
        "Without CDRL, MTRS chooses regions and nothing acts on them: regions that are not chosen "
        "keep their features here, so that only the contrastive loss tells it from the baseline.",
        "The paper's Table 3 lies far above its Table 1, and does not say why.",
        *_oracle_note(settings),
    )
    columns = ("", *sites, "Dice", "paper's Dice")
    return Table(
        "modules", f"What each module adds, {_seeds(settings)}", columns, tuple(rows), notes
    )


def dictionary_table(frame: pd.DataFrame, settings: StudySettings) -> Table:
    """By the dictionary's size: the paper's Table 4."""
    rows = [
        (
            _label(str(size), backbone, settings),
            _overall(own, "dice"),
            _overall(own, "nsd"),
            _known(paper.DICTIONARY, size),
        )
        for backbone, size, own in _varied(frame, settings, "prompts")
    ]
    return Table(
        "dictionary",
        f"Size of the dictionary, {title_of(settings.ablated, settings)}, {_seeds(settings)}",
        ("prompts", "Dice", "NSD", "paper's Dice"),
        tuple(rows),
        (POLICY, "Each dictionary holds the prompts of the smaller ones.", *_oracle_note(settings)),
    )


def depth_table(
    frame: pd.DataFrame, records: Sequence[CellRecord], settings: StudySettings
) -> Table:
    """By the number of intervention layers: the paper's Table 5."""
    rows = []
    for backbone, depth, own in _varied(frame, settings, "depth"):
        trained = [r for r in records if (r.cell.backbone, r.cell.depth) == (backbone, depth)]
        told = paper.DEPTH.get(depth)
        rows.append(
            (
                _label(str(depth), backbone, settings),
                _overall(own, "dice"),
                f"{mean(record.parameters for record in trained) / 1e6:.2f}",
                f"{mean(record.latency for record in trained):.1f}",
                *(("–", "–", "–") if told is None else _of_paper(told)),
            )
        )
    return Table(
        "depth",
        f"Intervention layers, {title_of(settings.ablated, settings)}, {_seeds(settings)}",
        ("layers", "Dice", "M parameters", "ms", "paper's Dice", "its M", "its ms"),
        tuple(rows),
        (
            POLICY,
            "Parameters are the intervention's; milliseconds are one picture through the whole "
            f"model, on {', '.join(sorted({record.device for record in records}))}.",
            *_oracle_note(settings),
        ),
    )


def _varied(
    frame: pd.DataFrame, settings: StudySettings, name: str
) -> list[tuple[str, int, pd.DataFrame]]:
    """Return backbone, value and frames of every row of a table that varies one setting."""
    values = frame["setting"].map(lambda text: json.loads(text)[name])
    return [
        (backbone, int(value), frame[(frame["backbone"] == backbone) & (values == value)])
        for backbone in settings.all_backbones
        for value in sorted(set(values))
    ]


def _trained(
    frame: pd.DataFrame, settings: StudySettings, methods: Sequence[str]
) -> list[tuple[str, str, pd.DataFrame]]:
    """Return backbone, method and frames of every row of a table of methods."""
    return [
        (b, m, frame[(frame["backbone"] == b) & (frame["method"] == m)])
        for b in settings.all_backbones
        for m in methods
    ]


def _pooled(frame: pd.DataFrame) -> str:
    row = summarise(frame.assign(all="all"), ["all"]).iloc[0]
    return f"{100 * row['pooled_dice']:.1f}"


def _overall(frame: pd.DataFrame, metric: str, scale: float = 100.0) -> str:
    row = summarise(frame.assign(all="all"), ["all"], metric).iloc[0]
    return _percent(row, scale)


def _percent(row: Any, scale: float = 100.0) -> str:
    """Write mean ± sd; the deviation of one seed is not known, and is left out."""
    spread = f"±{scale * row['sd']:.1f}" if row["sd"] == row["sd"] else ""
    return f"{scale * row['mean']:.1f}{spread}"


def _difference(frame: pd.DataFrame, first: str, second: str) -> str:
    found = paired_bootstrap(frame, first, second)
    text = f"{100 * found.mean:+.1f}"
    if not isnan(found.low):
        text += f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return text.replace("-", "−")


def _label(text: str, backbone: str, settings: StudySettings) -> str:
    """Say the backbone too, where there are several."""
    return text if len(settings.all_backbones) == 1 else f"{backbone.partition('/')[0]}, {text}"


def _as_in_paper(backbone: str) -> str:
    """``ViT-L-14/openai`` as the paper writes it, ``ViT-L/14``."""
    name = backbone.partition("/")[0]
    return "/".join(name.rsplit("-", 1)) if name.startswith("ViT-") else name


def _known(published: Mapping[int, float], key: int) -> str:
    return f"{published[key]:.1f}" if key in published else "–"


def _of_paper(row: tuple[float | None, float, float]) -> tuple[str, str, str]:
    dice, parameters, latency = row
    return ("–" if dice is None else f"{dice:.1f}", f"{parameters:.1f}", f"{latency:.0f}")


def _seeds(settings: StudySettings) -> str:
    return "one seed" if settings.seeds == 1 else f"{settings.seeds} seeds"


def _search_note(settings: StudySettings) -> str:
    if settings.trials == 1:
        return "Every method has its published hyper-parameters; nothing was searched."
    return (
        f"Of every method {settings.trials} settings were tried with the first seed on each "
        f"held-out site, and the best on validation patients of the training sites was taken."
    )


def _paper_note() -> str:
    return (
        "The paper's figures (arXiv 2508.05008) are of its own five sites, at 224 px with "
        "ViT-L/14; they stand beside ours, and are not comparable with another data set's."
    )


def _oracle_note(settings: StudySettings) -> tuple[str, ...]:
    if not settings.oracle:
        return ()
    return (
        "ORACLE: epochs and settings were chosen by the held-out site's own Dice, which nobody can "
        "do in practice.",
    )
