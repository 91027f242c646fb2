"""Confounders as parameters: whatever lowers the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from deconfound.dictionaries.base import ConfounderDictionary, dictionaries
from deconfound.errors import ConfigurationError, ShapeError, unknown_name
from deconfound.types import Confounders

Start = Literal["normal", "text"]


@dictionaries.register("learned")
class LearnedDictionary(ConfounderDictionary):
    """Z = M trainable vectors; P(z) uniform, or softmax of M trainable numbers.

    The usual stand-in where confounders have no names and no images: a memory that the loss fills
    (CATT trains its dictionary on, arXiv 2103.03493). The loss asks for a low error on the
    *training* distribution and for nothing else. So a vector need not be a confounder, a learned
    prior is not P(z) but another weight of the network, and what comes out is a larger outcome
    model and no adjustment. It is the control that a dictionary with a meaning has to beat.

    Args:
        dim: d, the width of the joint space.
        size: M, where vectors start at random; a dictionary that starts as text has a vector per
            name.
        start: ``"normal"``: N(0, I/d), about as long as text embeddings; ``"text"``: the
            confounders' text embeddings, whose names the vectors keep, although no word holds them
            once they are trained.
        learn_prior: train P(z) too, from uniform on.
        seed: of a random start.
        names: the confounders in words, of a start as text.
        embeddings: (len(names), d), the start as text; None where the values come from a state
            dict.

    Raises:
        ConfigurationError: a size below 1, or a start as text without names.
        ShapeError: a start as text with embeddings that are not (len(names), d).
        UnknownNameError: an unknown ``start``.
    """

    prior_logits: Tensor

    def __init__(
        self,
        dim: int,
        size: int = 12,
        start: Start = "normal",
        learn_prior: bool = False,
        seed: int = 0,
        names: Sequence[str] = (),
        embeddings: Tensor | None = None,
    ) -> None:
        super().__init__()
        if start not in get_args(Start):
            raise unknown_name("start of a learned dictionary", str(start), get_args(Start))
        if start == "text":
            self.names, vectors = tuple(names), _from_text(names, embeddings, dim)
        else:
            self.names, vectors = _numbered(size), _from_normal(size, dim, seed)
        self.start: Start = start
        self.seed = seed
        self.learn_prior = learn_prior
        self.embeddings = nn.Parameter(vectors)
        logits = torch.zeros(len(vectors))
        if learn_prior:
            self.prior_logits = nn.Parameter(logits)
        else:
            self.register_buffer("prior_logits", logits)

    def forward(self) -> Confounders:
        """Return the vectors as they stand, with their prior."""
        return Confounders(self.embeddings, self.prior_logits.softmax(dim=0), self.names)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; vectors and prior are in the state dict."""
        size, dim = self.embeddings.shape
        own = {"dim": dim, "size": size, "start": self.start, "learn_prior": self.learn_prior}
        return {**own, "seed": self.seed, "names": list(self.names)}


def _numbered(size: int) -> tuple[str, ...]:
    if size < 1:
        raise ConfigurationError(f"a learned dictionary needs one vector or more, found {size}")
    return tuple(f"learned {m + 1}" for m in range(size))


def _from_normal(size: int, dim: int, seed: int) -> Tensor:
    return torch.randn(size, dim, generator=torch.Generator().manual_seed(seed)) / dim**0.5


def _from_text(names: Sequence[str], embeddings: Tensor | None, dim: int) -> Tensor:
    if not names:
        raise ConfigurationError("a learned dictionary that starts as text needs names, found none")
    if embeddings is None:
        return torch.full((len(names), dim), torch.nan)
    if embeddings.shape != (len(names), dim):
        raise ShapeError(
            f"LearnedDictionary: expected embeddings of shape ({len(names)}, {dim}), one row per "
            f"name, found {tuple(embeddings.shape)}"
        )
    return embeddings.detach().float().clone()
