"""From settings, a pack and training images to the adjustment they ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from deconfound.estimators.doing import Doing, Render, Restyle, Transplant, operation_for
from deconfound.estimators.weighting import balancing_weights, read_posterior
from deconfound.packs import PromptPack
from deconfound.training.adjustment import Adjustment, AdjustmentSettings
from deconfound.training.loading import ImageDataset

Watch = Callable[[int, int], None]

TEMPERATURE = 0.1
"""Of the zero-shot reading, where nothing calibrates it."""


def build_adjustment(
    settings: AdjustmentSettings,
    model: Any,
    images: ImageDataset,
    pack: PromptPack,
    progress: Watch | None = None,
) -> Adjustment:
    """Build what the settings ask for.

    Args:
        settings: which parts, and how much of each.
        model: a :class:`~deconfound.CausalSegmenter`; its tower and dictionary read the images.
        images: the training images.
        pack: says which confounders can be drawn, and by what.
        progress: called with how many images were read, and of how many.
    """
    operations, notes = drawable(pack)
    doing: list[Doing] = []
    if settings.transplant:
        doing.append(Transplant(settings.transplant))
    if settings.restyle:
        doing.append(Restyle(settings.restyle))
    if settings.render and operations:
        doing.append(Render(operations, settings.render))
    weights = None
    if settings.weighs:
        posterior, classes = read(model, images, progress)
        report = balancing_weights(
            posterior, classes, len(pack.class_names), clip=settings.weight_limit
        )
        weights = report.weights.float()
        notes += (
            f"weights: effective sample size {report.ess:.0f} of {len(images)}, "
            f"largest {report.largest:.1f}",
        )
    weigh: Literal["loss", "sampler"] = "loss" if settings.weighting == "loss" else "sampler"
    return Adjustment(tuple(doing), weights, weigh, notes if doing or weights is not None else ())


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


@torch.no_grad()
def read(
    model: Any, images: ImageDataset, progress: Watch | None = None, batch: int = 32
) -> tuple[Tensor, Tensor]:
    """Return the VLM's zero-shot P(z|x) (n, M) of every image, and its class (n,)."""
    was_training = model.training
    model.eval()
    if hasattr(images, "set_epoch"):  # whatever was trained on them before, or was not
        images.set_epoch(0)
    device = next(model.parameters()).device
    pooled, classes = [], []
    for start in range(0, len(images), batch):
        items = [images[i] for i in range(start, min(start + batch, len(images)))]
        pictures = torch.stack([item["image"] for item in items]).to(device)
        pooled.append(model.tower(model.normalize(pictures)).pooled.cpu())
        classes += [int(item["class_index"]) for item in items]
        if progress is not None:
            progress(start + len(items), len(images))
    model.train(was_training)
    z = model.dictionary()
    on_cpu = type(z)(z.embeddings.cpu(), z.prior.cpu(), z.names)
    return read_posterior(torch.cat(pooled), on_cpu, TEMPERATURE), torch.tensor(classes)
