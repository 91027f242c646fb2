"""How sure may the reading be? Confounders are drawn onto training images, and read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.estimators.doing import OPERATIONS, operation_for
from deconfound.estimators.weighting import calibrate, read_scores
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.packs import PromptPack
from deconfound.training.loading import ImageDataset
from deconfound.training.reading import Watch, embed, named_confounders


def fitted_temperature(
    model: Any, images: ImageDataset, pack: PromptPack, progress: Watch | None = None, seed: int = 0
) -> float:
    """Return the temperature of the zero-shot reading under which drawn confounders are likeliest.

    One confounder is drawn onto every training image, each of them equally often and at full
    strength, and :func:`~deconfound.estimators.weighting.calibrate` is asked how the scores tell
    them apart. Its bias is left out: how well a prompt is heard depends on how it was drawn, and
    a real blur is not the drawn one (docs/weighting.md has what it cost). What an image showed
    before shows through, so the temperature errs towards doubt. Mediators are drawn too: nothing is
    trained on these pictures.

    Args:
        model: a :class:`~deconfound.CausalSegmenter`; its tower and its words read the pictures.
        images: the training images.
        pack: says by what each confounder is drawn.
        progress: called with how many images were read, and of how many.
        seed: of which image shows which confounder, and how.

    Raises:
        ConfigurationError: fewer than two confounders that can be drawn, or fewer images than
            there are of them.
    """
    z = named_confounders(model)
    drawn_by = _operations(z.names, pack)
    rows, operations = list(drawn_by), [OPERATIONS[name] for name in drawn_by.values()]
    g = torch.Generator().manual_seed(seed)
    labels = (torch.arange(len(images)) % len(rows))[torch.randperm(len(images), generator=g)]

    def draw(item: dict[str, Any], position: int) -> Tensor:
        operation = operations[int(labels[position])]
        picture, _ = operation(item["image"], torch.as_tensor(item["mask"]), 1.0, g)
        return picture.clamp(0, 1)

    pooled, _ = embed(model, images, progress, change=draw)
    return calibrate(read_scores(pooled, z)[:, rows], labels, TEMPERATURE).temperature


def _operations(names: tuple[str, ...], pack: PromptPack) -> dict[int, str]:
    """Return, by position in the dictionary, what draws each confounder that can be drawn."""
    known = {one.name: one for one in pack.confounders}
    found = {m: operation_for(known[name]) for m, name in enumerate(names) if name in known}
    drawable = {m: operation for m, operation in found.items() if operation is not None}
    if len(drawable) < 2:
        raise ConfigurationError(
            f"calibrate: expected two confounders or more that can be drawn onto pictures, found "
            f"{len(drawable)} of {len(names)}; say `render` in the pack, or leave calibrate out"
        )
    return drawable
