"""`evaluate`: what a vision-language model can tell of unseen renders, without training on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from deconfound.errors import ConfigurationError
from deconfound.packs import PromptPack
from deconfound.selectors import MTRS
from deconfound.simulation import CLASSES, CONFOUNDERS
from deconfound.vlm import VisionLanguageModel, load

from .renders import Mixture, Renders, draw_renders

ALPHA = 0.3
SINGLE = Mixture(fewest=1, most=1, weakest=0.35)
COMBINED = Mixture(fewest=2, most=3, weakest=0.35)
LESIONS = Mixture(fewest=0, most=3, weakest=0.2, healthy=0.0)

AIMS = {"class accuracy": 0.90, "confounder accuracy": 0.97, "lesion kept by MTRS": 0.85}
NEEDS = {"class accuracy": 0.80, "confounder accuracy": 0.90, "lesion kept by MTRS": 0.70}
"""What the shipped weights aim at, and below what they are not shipped."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its interval.

    Attributes:
        name: what it is.
        value: a share, 0 to 1.
        low: lower end of the 95 % interval over pictures.
        high: upper end.
        n: pictures.
        chance: what guessing would give.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    chance: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model makes of pictures: pooled cosines with prompts, and lesion pixels that it keeps.

    Attributes:
        classes: (B, K) cosines with the class prompts.
        confounders: (B, M) cosines with the confounder prompts.
        kept: (B,) share of the lesion's pixels in the regions that MTRS selects; nan without any.
    """

    classes: Tensor
    confounders: Tensor
    kept: Tensor


def evaluate(
    model: str | Path,
    n: int = 1000,
    seed: int = 10_000,
    pack: str = "endoscopy",
    tick: Callable[[int], None] = lambda done: None,
) -> list[Figure]:
    """Measure a model on renders of the given seed, and the two seeds after it.

    Args:
        model: whatever `deconfound.vlm.load` finds.
        n: pictures for each group of figures.
        seed: another than that of training.
        pack: whose prompts are asked, as they stand.
        tick: told how many more pictures have been read; 3 n in all.

    Returns:
        Class accuracy and MTRS's share of lesion pixels on pictures with a lesion and 0 to 3
        confounders; confounder accuracy with one; average precision and recall at the true
        number with 2 or 3.

    Raises:
        ConfigurationError: fewer than two pictures, a negative seed, or a pack whose names are not
            the simulator's.
    """
    if n < 2:
        raise ConfigurationError(f"--n must be 2 or more, for an interval; found {n}")
    if seed < 0:
        raise ConfigurationError(f"--seed must be 0 or more, found {seed}; choose another")
    vlm, prompts = load(model), PromptPack.load(pack)
    if (prompts.class_names, prompts.confounder_names) != (CLASSES, CONFOUNDERS):
        raise ConfigurationError(
            f"pack {prompts.name!r} does not name the simulator's {len(CLASSES)} classes and "
            f"{len(CONFOUNDERS)} confounders in their order, so renders cannot test it; use a pack "
            f"that does, such as 'endoscopy'"
        )
    lesions, single, combined = (
        _read(vlm, prompts, seed + offset, n, mixture, tick)
        for offset, mixture in enumerate((LESIONS, SINGLE, COMBINED))
    )
    classes = len(prompts.class_names)
    confounders = len(prompts.confounder_names)
    return [
        _class_accuracy(*lesions, 1 / classes),
        _confounder_accuracy(*single, 1 / confounders),
        _mean("lesion kept by MTRS", lesions[1].kept, ALPHA),
        *_ranking(*combined),
    ]


def _read(
    vlm: VisionLanguageModel,
    prompts: PromptPack,
    seed: int,
    n: int,
    mixture: Mixture,
    tick: Callable[[int], None],
    batch: int = 100,
) -> tuple[Renders, Reading]:
    renders = draw_renders(seed, n, mixture, masks=True)
    assert renders.lesion is not None
    classes = vlm.encode_text(prompts.class_prompts())
    confounders = vlm.encode_text(prompts.confounder_prompts())
    rows = []
    for images, lesion in zip(
        renders.images.split(batch), renders.lesion.split(batch), strict=True
    ):
        with torch.no_grad():
            features = vlm.tower(vlm.tower.normalize(images.float() / 255))
            regions = MTRS(ALPHA)(features.dense, classes)
        pooled = F.normalize(features.pooled, dim=-1)
        kept = lesion_kept(regions.index, features.dense.shape[-2:], lesion)
        rows.append((pooled @ classes.T, pooled @ confounders.T, kept))
        tick(len(images))
    return renders, Reading(*(torch.cat(column) for column in zip(*rows, strict=True)))


def lesion_kept(index: Tensor, grid: tuple[int, int], lesion: Tensor) -> Tensor:
    """Return the share of each lesion's pixels under the selected locations.

    Args:
        index: (B, N) positions in the flattened grid.
        grid: (h, w).
        lesion: (B, H, W) bool.

    Returns:
        (B,), nan for a picture without a lesion.
    """
    chosen = torch.zeros(len(index), grid[0] * grid[1]).scatter(1, index, 1.0)
    covered = F.interpolate(chosen.view(-1, 1, *grid), lesion.shape[1:], mode="nearest")[:, 0]
    return (covered * lesion).sum((1, 2)) / lesion.sum((1, 2))


def _class_accuracy(renders: Renders, reading: Reading, chance: float) -> Figure:
    return _share("class accuracy", reading.classes.argmax(1) == renders.class_index, chance)


def _confounder_accuracy(renders: Renders, reading: Reading, chance: float) -> Figure:
    right = reading.confounders.argmax(1) == renders.strengths.argmax(1)
    return _share("confounder accuracy", right, chance)


def _ranking(renders: Renders, reading: Reading) -> list[Figure]:
    """Average precision over the ranked prompts, and recall within as many as are true."""
    true = renders.strengths > 0
    ranked = true.gather(1, reading.confounders.argsort(1, descending=True)).float()
    count = ranked.sum(1)
    places = torch.arange(1, ranked.shape[1] + 1)
    precision = (ranked.cumsum(1) / places * ranked).sum(1) / count
    recall = (ranked * (places <= count[:, None])).sum(1) / count
    share = float(true.float().mean())
    shuffled = true.float()[:, torch.randperm(true.shape[1], generator=torch.manual_seed(0))]
    by_chance = float((shuffled.cumsum(1) / places * shuffled).sum(1).div(count).mean())
    return [
        _mean("average precision, 2-3 confounders", precision, by_chance),
        _mean("recall at their number, 2-3 confounders", recall, share),
    ]


def _share(name: str, right: Tensor, chance: float) -> Figure:
    """Wilson's interval of a share."""
    from scipy.stats import binomtest

    test = binomtest(int(right.sum()), len(right))
    low, high = test.proportion_ci(method="wilson")
    return Figure(name, test.statistic, low, high, len(right), chance)


def _mean(name: str, values: Tensor, chance: float) -> Figure:
    """Interval of a mean by its standard error over pictures."""
    values = values[~values.isnan()]
    mean, reach = float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values))
    return Figure(name, mean, max(mean - reach, 0.0), min(mean + reach, 1.0), len(values), chance)


def as_mapping(figures: list[Figure]) -> dict[str, dict[str, float]]:
    """Return the figures by name, as JSON-able values."""
    return {figure.name: asdict(figure) for figure in figures}
