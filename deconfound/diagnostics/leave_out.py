"""What each confounder does to the output: the model without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deconfound.diagnostics.swapping import FixedDictionary, Remembering, swapped
from deconfound.dictionaries.part import part_of
from deconfound.errors import ConfigurationError
from deconfound.overlap import predicted_mask
from deconfound.types import Confounders

if TYPE_CHECKING:
    from deconfound.segmenter import CausalSegmenter


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOut:
    """Logits with and without each confounder.

    Attributes:
        names: the M confounders.
        change: (M, B, H, W), absolute change of the logit without it, mean over channels.
        changed: (M, B), share of an image's pixels whose predicted class becomes another.
    """

    names: tuple[str, ...]
    change: Tensor
    changed: Tensor

    @property
    def mean_change(self) -> Tensor:
        """(M,), mean absolute change of the logit over images and pixels."""
        return self.change.mean(dim=(1, 2, 3))


@torch.no_grad()
def leave_out(model: CausalSegmenter, images: Tensor) -> LeaveOut:
    """Leave out one confounder after the other, with the prior renormalised.

    The dictionary is made anew each time: a centred one is centred on the mean of those that are
    left. A model whose every row is 0 does not use its dictionary; a large row says that the output
    depends on the confounder, which is necessary for an adjustment and not sufficient.

    Args:
        model: left as it was found. The tower runs once, the rest M + 1 times.
        images: (B, 3, H, W), RGB in [0, 1].

    Raises:
        ConfigurationError: a dictionary of one confounder, or one in which a single confounder
            has all of the prior.
    """
    z = model.dictionary()
    normalised = model.normalize(images)
    changes, changed = [], []
    with swapped(model, tower=Remembering(model.tower)):
        whole = model(normalised)
        for m in range(len(z.names)):
            with swapped(model, dictionary=FixedDictionary(without(z, m))):
                rest = model(normalised)
            changes.append((rest - whole).abs().mean(dim=1))
            other = predicted_mask(rest) != predicted_mask(whole)
            changed.append(other.double().mean(dim=(1, 2)))
    return LeaveOut(z.names, torch.stack(changes), torch.stack(changed))


def without(confounders: Confounders, left_out: int) -> Confounders:
    """Return the dictionary without one confounder, see `part_of`.

    Args:
        confounders: M ≥ 2.
        left_out: which, 0 to M - 1.

    Raises:
        ConfigurationError: nothing is left, or nothing that has a prior.
    """
    rest = part_of(confounders, [m for m in range(len(confounders.names)) if m != left_out])
    if rest is None:
        raise ConfigurationError(
            f"leave-out: expected a confounder with a prior beside "
            f"{confounders.names[left_out]!r}, found none; name more confounders"
        )
    return rest
