"""Muon for the matrices inside the blocks, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from deconfound.errors import ConfigurationError


def require_muon() -> None:
    """Make sure that torch has Muon.

    Raises:
        ConfigurationError: it is older than 2.9.
    """
    if not hasattr(torch.optim, "Muon"):
        raise ConfigurationError(
            f"training mini needs torch 2.9 or newer, found {torch.__version__}; upgrade torch"
        )


class MuonAndAdamW:
    """Two optimisers as one; a transformer trained from scratch for minutes needs Muon.

    In 200 steps of 64 pictures, a tower of six layers reached a zero-shot class accuracy of 48 %
    with it and 33 % with AdamW alone (600 renders), all else equal.

    Args:
        named: parameters with their names.
        weight_decay: of the blocks' matrices; nothing else is decayed.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> None:
        self.named = dict(named)
        inner = {key for key, p in self.named.items() if "resblocks" in key and p.ndim == 2}
        matrices = [parameter for key, parameter in self.named.items() if key in inner]
        others = [parameter for key, parameter in self.named.items() if key not in inner]
        self.muon = torch.optim.Muon(
            matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, matrix_lr: float, lr: float) -> None:
        """Take a step with these learning rates, then forget the gradients."""
        for optimizer, rate in ((self.muon, matrix_lr), (self.adamw, lr)):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Return every moment as ``"moment/parameter"``."""
        return {
            f"{moment}/{key}": value
            for key, parameter in self.named.items()
            for optimizer in (self.muon, self.adamw)
            for moment, value in optimizer.state.get(parameter, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Read what `state` returned."""
        for name, value in state.items():
            moment, _, key = name.partition("/")
            parameter = self.named[key]
            inner = any(parameter is p for g in self.muon.param_groups for p in g["params"])
            (self.muon if inner else self.adamw).state[parameter][moment] = value
