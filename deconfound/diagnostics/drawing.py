"""do(z = m) on pictures with the operations that a pack names, for counterfactual masks."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from deconfound.diagnostics.counterfactual import Do
from deconfound.errors import ConfigurationError
from deconfound.estimators.doing import OPERATIONS, operation_for
from deconfound.estimators.doing.operations import Operation
from deconfound.packs import PromptPack


def drawn(pack: PromptPack, strength: float = 0.7, seed: int = 0) -> Do:
    """Return what draws confounders onto pictures, by their number in the pack.

    Each confounder is drawn by the operation that the pack names, or that its words suggest. One
    that nothing draws is not among them, nor one that moves the lesion, as a near view does: masks
    could not be compared pixel by pixel.

    Args:
        pack: its confounders, in the order of the dictionary.
        strength: of every one of them, in (0, 1].
        seed: of what an operation draws at random; the same for every confounder and call.

    Raises:
        UnknownNameError: an operation that does not exist.
        ConfigurationError: a strength out of its range.
    """
    if not 0 < strength <= 1:
        raise ConfigurationError(
            f"drawing confounders: strength must lie in (0, 1], found {strength}"
        )
    names = [operation_for(one) for one in pack.confounders]
    return {
        m: partial(_draw, OPERATIONS[name], strength, seed)
        for m, name in enumerate(names)
        if name is not None and not _moves(OPERATIONS[name])
    }


def _draw(operation: Operation, strength: float, seed: int, images: Tensor) -> Tensor:
    """Draw onto every picture what the seed gives, and nothing else."""
    g = torch.Generator().manual_seed(seed)
    still = torch.zeros(images.shape[-2:], dtype=torch.long)
    done = [operation(image, still, strength, g)[0] for image in images.cpu()]
    return torch.stack(done).clamp(0, 1).to(images.device)


def _moves(operation: Operation) -> bool:
    """Try it on a lesion in one corner of a grey picture."""
    mask = torch.zeros(32, 32, dtype=torch.long)
    mask[4:12, 4:12] = 1
    moved = operation(torch.full((3, 32, 32), 0.5), mask, 0.5, torch.Generator().manual_seed(0))[1]
    return not torch.equal(moved, mask)
