"""From settings, a pack and training images to the adjustment they ask for."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from deconfound.data.which_images import which_images
from deconfound.errors import ConfigurationError
from deconfound.estimators.doing import Doing, Render, Restyle, Transplant, operation_for
from deconfound.estimators.weighting import WeightReport, balancing_weights, read_posterior
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.packs import PromptPack
from deconfound.training.adjustment import Adjustment, AdjustmentSettings
from deconfound.training.calibrating import fitted_temperature
from deconfound.training.loading import ImageDataset
from deconfound.training.reading import Watch, embed, named_confounders
from deconfound.training.surroundings import choose
from deconfound.training.what_was_read import WhatWasRead

NEARLY_EQUAL = 0.98
"""Share of the images above which an effective sample size says that weights do nothing."""


def build_adjustment(
    settings: AdjustmentSettings,
    model: Any,
    images: ImageDataset,
    pack: PromptPack,
    progress: Watch | None = None,
) -> Adjustment:
    """Build what the settings ask for: read the images, and adjust by what they say.

    Args and errors are those of `read_images`.
    """
    return adjustment_by(read_images(settings, model, images, pack, progress), pack)


def read_images(
    settings: AdjustmentSettings,
    model: Any,
    images: ImageDataset,
    pack: PromptPack,
    progress: Watch | None = None,
) -> WhatWasRead:
    """Read in the training images what the settings leave to them: weights, and shares.

    Args:
        settings: which parts, and how much of each.
        model: a :class:`~deconfound.CausalSegmenter`; its tower and dictionary read the images.
        images: the training images.
        pack: says which confounders can be drawn, and by what.
        progress: called with how many images were read, and of how many; from the start for each
            reading, where one calibrates another or the surroundings are read too.

    Raises:
        ConfigurationError: a calibration of weights that are not asked for, or one for which too
            little can be drawn.
    """
    if settings.calibrate and not settings.weighs_by_words:
        raise ConfigurationError(
            "calibrate: expected images that are weighed by words, whose reading is calibrated, "
            f"found weighting {settings.weighting} by {settings.weigh_by}; add --weigh-by words "
            "and a weighting, or leave calibrate out"
        )
    report, temperature, notes = None, None, tuple[str, ...]()
    if settings.weighs_by_words:
        report, temperature, notes = _by_words(settings, model, images, pack, progress)
    chosen = choose(settings, model, images, report, progress)
    report = chosen.weighting
    if report is not None:
        notes += _told(report, settings.weigh_by)
    return WhatWasRead(
        settings=settings,
        images=len(images),
        which=which_images(images),
        weights=None if report is None else tuple(report.weights.float().tolist()),
        temperature=temperature,
        transplant=chosen.transplant,
        margin=chosen.margin,
        restyle=chosen.restyle,
        notes=notes + chosen.notes,
    )


def adjustment_by(told: WhatWasRead, pack: PromptPack) -> Adjustment:
    """Return the adjustment that the images' reading comes to; nothing is read again.

    Args:
        told: from `read_images`, in this process or in one before it.
        pack: says which confounders can be drawn, and by what.
    """
    settings = told.settings
    operations, drawn = drawable(pack)
    notes = (*(drawn if settings.render or settings.calibrate else ()), *told.notes)
    weights = None if told.weights is None else torch.tensor(told.weights, dtype=torch.float32)
    doing: list[Doing] = []
    if told.transplant:
        doing.append(
            Transplant(told.transplant, settings.tone, margin=told.margin, detail=settings.detail)
        )
    if told.restyle:
        doing.append(Restyle(told.restyle))
    if settings.render and operations:
        doing.append(Render(operations, settings.render))
    weigh: Literal["loss", "sampler"] = "loss" if settings.weighting == "loss" else "sampler"
    return Adjustment(tuple(doing), weights, weigh, notes)


def _by_words(
    settings: AdjustmentSettings,
    model: Any,
    images: ImageDataset,
    pack: PromptPack,
    progress: Watch | None,
) -> tuple[WeightReport, float, tuple[str, ...]]:
    """Return weights under which classes go apart from the confounders that the VLM reads.

    Beside them stand the temperature of the reading, and what a reader should know of it.
    """
    temperature, notes = TEMPERATURE, list[str]()
    if settings.calibrate:
        temperature = fitted_temperature(model, images, pack, progress)
        notes.append(f"reading: temperature {temperature:.3g}, fitted to drawn confounders")
    posterior, classes = read(model, images, progress, temperature)
    report = balancing_weights(
        posterior, classes, len(pack.class_names), clip=settings.weight_limit
    )
    return report, temperature, tuple(notes)


def _told(report: WeightReport, by: str) -> tuple[str, ...]:
    """Return what a reader should know of weights."""
    images = len(report.weights)
    said = f"weights: effective sample size {report.ess:.0f} of {images}, "
    said += f"largest {report.largest:.1f}"
    if report.ess <= NEARLY_EQUAL * images:
        return (said,)
    what = "confounders" if by == "words" else "surroundings"
    return said, (
        f"weights are nearly equal, and balancing does next to nothing: either classes and {what} "
        f"do not go together, or the model does not tell the {what} apart"
    )


def drawable(pack: PromptPack) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the operations that draw the pack's confounders, and what to know of them.

    Mediators are left alone: setting an effect of the lesion would hide a part of the lesion.
    """
    named: dict[str, None] = {}
    guessed, absent = [], []
    for one in pack.confounders:
        if one.role == "mediator":
            continue
        operation = operation_for(one)
        if operation is None:
            absent.append(one.name)
            continue
        named[operation] = None
        if one.render is None:
            guessed.append(f"{one.name} as {operation}")
    notes = []
    if guessed:
        notes.append(f"drawn as their words suggest: {', '.join(guessed)}; `render` would say it")
    if absent:
        notes.append(f"nothing draws {', '.join(absent)}: left to transplanting and restyling")
    return tuple(named), tuple(notes)


def read(
    model: Any,
    images: ImageDataset,
    progress: Watch | None = None,
    temperature: float = TEMPERATURE,
) -> tuple[Tensor, Tensor]:
    """Return the VLM's zero-shot P(z|x) (n, M) of every image, and its class (n,).

    Args:
        model: a :class:`~deconfound.CausalSegmenter`.
        images: the training images.
        progress: called with how many images were read, and of how many.
        temperature: of the reading.
    """
    pooled, classes = embed(model, images, progress)
    return read_posterior(pooled, named_confounders(model), temperature), classes
