"""do(z) by drawing: a confounder that the pack knows how to draw is drawn onto the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.estimators.doing.base import Doing, Pictures, doings
from deconfound.estimators.doing.operations import OPERATIONS


@doings.register("render")
class Render(Doing):
    """Draw one confounder z ~ P(z) onto each picture, at a strength uniform in [0.3, 1].

    Args:
        operations: names out of `OPERATIONS`, one for each confounder that can be drawn.
        probability: share of the pictures that are drawn on.
        prior: P(z) over the operations, non-negative; None is uniform.

    Raises:
        UnknownNameError: an operation that does not exist; the near names are listed.
        ConfigurationError: no operation, or a prior that is not one number for each.
    """

    WEAKEST = 0.3

    def __init__(
        self,
        operations: Sequence[str],
        probability: float = 0.5,
        prior: Sequence[float] | None = None,
    ) -> None:
        super().__init__(probability)
        for name in operations:
            if name not in OPERATIONS:
                raise unknown_name("render operation", name, OPERATIONS)
        weights = [1.0] * len(operations) if prior is None else [float(p) for p in prior]
        if (
            not operations
            or len(weights) != len(operations)
            or min(weights) < 0
            or not any(weights)
        ):
            raise ConfigurationError(
                f"render: expected operations with a non-negative weight each, not all zero, found "
                f"{len(operations)} operations and weights {weights}"
            )
        self.operations = tuple(operations)
        self.prior = tuple(weights)

    def do(self, pictures: Pictures, generator: torch.Generator) -> Pictures:
        """Draw on every picture."""
        chances = torch.tensor(self.prior)
        count = len(pictures.image)
        names = torch.multinomial(chances, count, True, generator=generator).tolist()
        strengths = self.WEAKEST + (1 - self.WEAKEST) * torch.rand(count, generator=generator)
        drawn = [
            OPERATIONS[self.operations[name]](image, mask, strength, generator)
            for image, mask, name, strength in zip(
                pictures.image, pictures.mask, names, strengths.tolist(), strict=True
            )
        ]
        images, masks = (torch.stack(list(part)) for part in zip(*drawn, strict=True))
        return Pictures(images.clamp(0, 1), masks, pictures.class_index)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "operations": list(self.operations),
            "probability": self.probability,
            "prior": list(self.prior),
        }
