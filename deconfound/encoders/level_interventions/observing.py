"""From a whole model to its level intervention and back: what to fit it on, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from deconfound.encoders.level_interventions.base import Observation
from deconfound.encoders.level_interventions.statistics import FeatureStatistics
from deconfound.errors import ConfigurationError
from deconfound.evaluating import evaluating
from deconfound.types import Confounders

Read = Callable[[Tensor, Confounders], Tensor]
"""P(z|x): pooled image embeddings (B, d) and the dictionary give posteriors (B, M)."""


def observe_levels(
    model: Any, loader: Iterable[Mapping[str, Any]], read: Read
) -> Iterator[Observation]:
    """Yield, batch by batch, the pyramid that the model computes and what is read in it.

    Nothing is changed and no gradient kept: the model runs in evaluation, and is as it was after
    the last batch.

    Args:
        model: a `CausalSegmenter`.
        loader: batches with ``"image"`` (B, 3, H, W), RGB in [0, 1].
        read: the reading of the confounder.
    """
    device = next(model.parameters()).device
    seen: list[list[Tensor]] = []
    # A hook sees exactly what the layer will see, with the model's own resizing in front of it.
    hook = model.level_intervention.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        with evaluating(model):
            for batch in loader:
                with torch.no_grad():
                    traced = model.trace(model.normalize(batch["image"].to(device)))
                    posterior = read(traced.pooled, traced.confounders)
                yield seen.pop(), posterior
    finally:
        hook.remove()


def logits_under_each(model: Any, images: Tensor) -> Tensor:
    """Return the model's logits under do(z = m) at its levels, for every m: (B, M, C, H, W).

    Their average by P(z), as probabilities, is P(Y|do(F)) by enumeration; it takes M passes.

    Args:
        model: a `CausalSegmenter` whose level intervention is fitted `FeatureStatistics`.
        images: normalised, (B, 3, H, W).

    Raises:
        ConfigurationError: another level intervention, or one that is not fitted.
    """
    levels = model.level_intervention
    if not isinstance(levels, FeatureStatistics):
        raise ConfigurationError(
            f"logits_under_each: expected a model with level_intervention='statistics', "
            f"found {type(levels).__name__}"
        )
    try:
        return torch.stack([_logits(model, images, m) for m in range(len(levels.names))], dim=1)
    finally:
        levels.set_to(None)


def _logits(model: Any, images: Tensor, confounder: int) -> Tensor:
    model.level_intervention.set_to(confounder)
    return model(images)
