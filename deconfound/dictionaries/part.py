"""Some of a dictionary, as if the others had never been named."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from deconfound.types import Confounders


def part_of(confounders: Confounders, rows: Sequence[int]) -> Confounders | None:
    """Return some of the confounders.

    Args:
        confounders: M of them.
        rows: which, 0 to M - 1.

    Returns:
        Those, with a prior that sums to one and embeddings centred again where they were; None if
        none of them ever occurs.
    """
    kept = list(rows)
    prior = confounders.prior[kept]
    if not prior.any():
        return None
    prior, embeddings = prior / prior.sum(), confounders.embeddings[kept]
    if is_centred(confounders):
        embeddings = centred(embeddings, prior)
    return Confounders(embeddings, prior, tuple(confounders.names[m] for m in kept))


def is_centred(confounders: Confounders) -> bool:
    """Say whether the mean of the embeddings under the prior is 0 but for rounding."""
    mean = confounders.prior @ confounders.embeddings
    return bool(mean.norm() < 1e-3 * confounders.embeddings.norm(dim=-1).mean())


def centred(embeddings: Tensor, prior: Tensor) -> Tensor:
    """Return embeddings (M, d) less their mean under the prior (M,)."""
    return embeddings - prior @ embeddings
