"""What stands below a table: what was scored, what was searched, what the paper published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deconfound.training.table import EMPTY_MASKS

from ..methods import source_of, title_of
from ..readers import Ignored
from . import paper
from .settings import StudySettings

POLICY = (
    "Dice, IoU, Acc and NSD (within 2 pixels) in percent, HD95 in pixels; mean over frames, then "
    "over sites, ± standard deviation over seeds. Pooled: all pixels of a site counted together. "
    f"{EMPTY_MASKS} NSD goes with these two; HD95 is then 0, or the picture's diagonal."
)
"""What every table says of its scores."""


def sites(names: Sequence[str], ignored: Ignored) -> str:
    """Say which sites there were, and which folders beside them were not read."""
    unread = ", ".join(f"{folder.name} ({why})" for folder, why in ignored)
    return f"Sites: {', '.join(names)}{f'; not read: {unread}' if unread else ''}."


def seeds(settings: StudySettings) -> str:
    """Say how many seeds there are."""
    return "one seed" if settings.seeds == 1 else f"{settings.seeds} seeds"


def search(settings: StudySettings) -> str:
    """Say how hyper-parameters were chosen."""
    if settings.trials == 1:
        return (
            "Ours have the hyper-parameters that the flags say, rivals their published ones; "
            "nothing was searched."
        )
    chose = "that very site" if settings.oracle else "validation patients of the training sites"
    return (
        f"Of every method {settings.trials} settings were tried with the first seed on each "
        f"held-out site, and the best on {chose} was taken."
    )


def oracle(settings: StudySettings) -> tuple[str, ...]:
    """Say that the held-out site chose, where it did."""
    if not settings.oracle:
        return ()
    return (
        "ORACLE: epochs and settings were chosen by the held-out site's own Dice, which nobody can "
        "do in practice.",
    )


def sources(methods: Iterable[str]) -> tuple[str, ...]:
    """Say where each method was published, and what was adapted: a paragraph each."""
    paragraphs = []
    for method in methods:
        source, adapted = source_of(method)
        paragraphs.append(f"**{title_of(method)}** ({source}). Adapted: {adapted}.")
    return tuple(paragraphs)


def published_main(settings: StudySettings) -> tuple[str, ...]:
    """Tell the paper's Table 1, which a study with another backbone has no column for."""
    rows = {
        f"{backbone} {title_of(method)}": " / ".join(told.values())
        for (backbone, method), told in paper.MAIN.items()
    }
    return _published(settings, "Table 1, Dice / IoU / Acc, mean of its five sites", rows)


def published_differences(settings: StudySettings) -> tuple[str, ...]:
    """Tell what the paper claims of its own method."""
    claimed = {
        "over the baseline": paper.OVER_BASELINE,
        "over BiomedCoOp, the best rival": f"{paper.OVER_BEST_RIVAL} (by its Table 1, +2.2)",
    }
    return _published(settings, f"points of Dice of MCDRL, {paper.LARGEST}", claimed)


def published_lesions(settings: StudySettings) -> tuple[str, ...]:
    """Tell the paper's Table 2."""
    rows = {title_of(method): _listed(told) for method, told in paper.LESIONS.items()}
    return _published(settings, f"Table 2, Dice, {paper.LARGEST}", rows)


def published_modules(settings: StudySettings) -> tuple[str, ...]:
    """Tell the paper's Table 3, whose sites a study of other sites has no column for."""
    rows = {title_of(method): _listed(told) for method, told in paper.MODULES.items()}
    return (
        *_published(settings, "Table 3, Dice, without its sites B and E", rows),
        *_where_published(settings, "Table 3 lies far above Table 1; the paper does not say why."),
    )


def published_ablation(settings: StudySettings) -> tuple[str, ...]:
    """Say what the paper's column of an ablation is of."""
    return _where_published(
        settings,
        "The paper's figures (arXiv 2508.05008) are of its own five sites at 224 px, with "
        f"{paper.LARGEST} as far as it says: their trend can be compared, their level cannot. "
        "A dash is not known to us.",
    )


def _published(settings: StudySettings, what: str, rows: Mapping[str, str]) -> tuple[str, ...]:
    told = "; ".join(f"{name} {values}" for name, values in rows.items())
    return _where_published(
        settings,
        f"Published (arXiv 2508.05008, {what}): {told}. Of its own data at 224 px: not comparable "
        "with other sites or backbones.",
    )


def _where_published(settings: StudySettings, text: str) -> tuple[str, ...]:
    """Leave a remark out where the pack is of something that the paper did not look at."""
    return (text,) if settings.pack == paper.PACK else ()


def _listed(told: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in told.items())
