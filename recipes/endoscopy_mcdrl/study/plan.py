"""Which cells answer which question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deconfound.errors import ConfigurationError
from deconfound.packs import PromptPack

from ..methods import grid_of, intervenes, method_names
from ..parts import takes_layer
from .cells import Cell, pairs
from .settings import StudySettings
from .store import Store

SIZES = (3, 6, 9, 12, 15)
"""Prompts of the dictionary, each size holding the smaller ones (the paper's Table 4)."""

RANKED_PACK = "endoscopy"
"""Of which there are several sizes (`deconfound.benchmark.dictionaries`)."""

DEPTHS = (1, 2, 3, 4, 5)
"""Intervention layers (the paper's Table 5)."""

MODULES = ("baseline", "mcdrl_without_mtrs", "mcdrl_without_cdrl", "mcdrl")
"""The paper's Table 3."""


def trial_cells(settings: StudySettings, holdouts: Sequence[str]) -> list[Cell]:
    """Return the cells of the search: every setting of every method, with the first seed.

    One held-out site after the other, so that a study cut short is whole for some sites.
    """
    return [
        Cell(method, backbone, holdout, settings.seed, pairs(setting))
        for holdout in holdouts
        for backbone in settings.all_backbones
        for method in settings.methods
        for setting in grid_of(method, settings)[: settings.trials]
    ]


def chosen_cells(trials: Sequence[Cell], store: Store) -> list[Cell]:
    """Return, of finished trials, the one with the best validation Dice in each search.

    A search is over the settings of one method, backbone and held-out site. Validation frames are
    of the training sites; the first of equals is taken.
    """
    best: dict[Cell, tuple[float, Cell]] = {}
    for cell in trials:
        search, dice = replace(cell, setting=()), store.record(cell).validation_dice
        if search not in best or dice > best[search][0]:
            best[search] = (dice, cell)
    return [cell for _, cell in best.values()]


def compared_cells(finished: Sequence[Cell], store: Store, first_seed: int) -> list[Cell]:
    """Return, of all finished cells, those of a method's best setting, with every seed.

    Ablations that change the depth or the dictionary are no methods to compare, nor is one of a
    single cell, as a figure trains: its site and seed would stand beside the means of all.
    """
    whole = [cell for cell in finished if cell.depth is None and cell.prompts is None]
    trials = [cell for cell in whole if cell.seed == first_seed]
    chosen = set(chosen_cells(trials, store))
    best = [cell for cell in whole if replace(cell, seed=first_seed) in chosen]
    return _without_single_cells(best)


def _without_single_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Leave out methods that have one cell alone, where others have it and more."""
    where: dict[tuple[str, str], set[tuple[str, int]]] = {}
    for cell in cells:
        where.setdefault((cell.backbone, cell.method), set()).add((cell.holdout, cell.seed))

    def single(cell: Cell) -> bool:
        own = where[cell.backbone, cell.method]
        beside = (others for (backbone, _), others in where.items() if backbone == cell.backbone)
        return len(own) == 1 and any(own < others for others in beside)

    return [cell for cell in cells if not single(cell)]


def repeated(cells: Sequence[Cell], settings: StudySettings) -> list[Cell]:
    """Return the cells with every seed, all cells of a seed before the next seed."""
    return [replace(cell, seed=seed) for seed in settings.all_seeds for cell in cells]


def module_cells(settings: StudySettings, holdouts: Sequence[str]) -> list[Cell]:
    """Return what the ablation of modules needs."""
    return repeated(_unsearched(MODULES, settings, holdouts), settings)


def dictionary_cells(settings: StudySettings, holdouts: Sequence[str]) -> list[Cell]:
    """Return what the ablation of the dictionary's size needs; the pack's own is no other model.

    Raises:
        ConfigurationError: another pack than the one whose prompts are ranked, a dictionary of
            another size than the pack's, or a method that has no intervention to read them.
    """
    _require_intervention("dictionary", settings)
    if settings.pack != RANKED_PACK:
        raise ConfigurationError(
            f"ablate dictionary: expected the pack {RANKED_PACK}, whose prompts have a rank by "
            f"which a smaller dictionary keeps them, found --pack {settings.pack}; leave it out"
        )
    if settings.dictionary == "class_means":
        raise ConfigurationError(
            "ablate dictionary: expected a dictionary as large as the pack, found --dictionary "
            "class_means, which has a row for each class; leave it out"
        )
    cells, own = _unsearched([settings.ablated], settings, holdouts), usual_size()
    sizes = [None if size == own else size for size in SIZES]
    return repeated([replace(c, prompts=size) for c in cells for size in sizes], settings)


def usual_size() -> int:
    """Return how many prompts the pack has whose prompts are ranked."""
    return len(PromptPack.load(RANKED_PACK).confounder_names)


def depth_cells(settings: StudySettings, holdouts: Sequence[str]) -> list[Cell]:
    """Return what the ablation of the intervention's depth needs; the recipe's is no other model.

    Raises:
        ConfigurationError: a method without an intervention, or with one that has no depth.
    """
    _require_intervention("depth", settings)
    if takes_layer(settings.ablated) and settings.intervention != "cross_attention":
        raise ConfigurationError(
            f"ablate depth: expected the intervention cross_attention, which has layers to count, "
            f"found --intervention {settings.intervention}; leave it out"
        )
    cells = _unsearched([settings.ablated], settings, holdouts)
    depths = [None if depth == settings.depth else depth for depth in DEPTHS]
    return repeated([replace(c, depth=depth) for c in cells for depth in depths], settings)


def _require_intervention(question: str, settings: StudySettings) -> None:
    """Refuse a method that has neither layers nor a dictionary to vary."""
    if not intervenes(settings.ablated):
        having = ", ".join(filter(intervenes, method_names()))
        raise ConfigurationError(
            f"ablate {question}: expected a method with an intervention ({having}), found "
            f"--ablated {settings.ablated}; name one of these"
        )


def _unsearched(
    methods: Sequence[str], settings: StudySettings, holdouts: Sequence[str]
) -> list[Cell]:
    """Return one cell of each method on each site: the first setting that a search would try."""
    return [
        Cell(method, backbone, holdout, setting=pairs(grid_of(method, settings)[0]))
        for holdout in holdouts
        for backbone in settings.all_backbones
        for method in methods
    ]
