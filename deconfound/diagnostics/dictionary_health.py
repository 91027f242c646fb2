"""Do the prompts of a dictionary say different things to the text tower?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.types import Confounders


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two confounders whose embeddings point the same way.

    Attributes:
        names: of the two, in the dictionary's order.
        cosine: of the angle between them.
    """

    names: tuple[str, str]
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class DictionaryHealth:
    """How much a dictionary tells apart.

    Attributes:
        names: the M confounders.
        gram: (M, M), cosines between their embeddings.
        effective_rank: how many directions the M embeddings fill, 1 to min(M, d).
        near_duplicates: pairs at or above the threshold, most alike first.
    """

    names: tuple[str, ...]
    gram: Tensor
    effective_rank: float
    near_duplicates: tuple[NearDuplicate, ...]


def dictionary_health(confounders: Confounders, threshold: float = 0.95) -> DictionaryHealth:
    """Look a dictionary over.

    Sentences of one template are nearly parallel as vectors, and attention over nearly equal keys
    is nearly uniform (docs/decisions.md); a dictionary centred on its mean may fare better.

    Args:
        confounders: embeddings (M, d) of any length but zero.
        threshold: the cosine from which two confounders count as near-duplicates, in (-1, 1].

    Raises:
        ConfigurationError: a threshold out of its range, or an embedding that has no direction.
    """
    if not -1 < threshold <= 1:
        raise ConfigurationError(
            f"dictionary health: threshold is a cosine in (-1, 1], found {threshold}"
        )
    directions = F.normalize(_with_direction(confounders), dim=-1)
    gram = directions @ directions.T
    return DictionaryHealth(
        names=confounders.names,
        gram=gram,
        effective_rank=effective_rank(directions),
        near_duplicates=_pairs(gram, confounders.names, threshold),
    )


def effective_rank(rows: Tensor) -> float:
    """Return exp of the entropy of the singular values, as shares of their sum.

    Roy and Vetterli, "The effective rank", EUSIPCO 2007. It is 1 where all rows are parallel, M
    where M rows are orthogonal and equally long, and never above the rank.

    Args:
        rows: (M, d), not all zero.

    Raises:
        ConfigurationError: rows that are all zero, which have no rank to speak of.
    """
    singular = torch.linalg.svdvals(rows.detach().to(torch.float64))
    if not singular.sum() > 0:
        raise ConfigurationError("effective rank: expected a row that is not zero, found none")
    shares = singular / singular.sum()
    return torch.special.entr(shares).sum().exp().item()


def _with_direction(confounders: Confounders) -> Tensor:
    """Return the embeddings as float64, having refused one that has no direction."""
    embeddings = confounders.embeddings.detach().to(torch.float64)
    for name, length in zip(confounders.names, embeddings.norm(dim=-1).tolist(), strict=True):
        if not 0 < length < float("inf"):
            raise ConfigurationError(
                f"dictionary health: expected {name!r} to have an embedding with a direction, "
                f"found one of length {length}; drop it or write another prompt"
            )
    return embeddings


def _pairs(gram: Tensor, names: tuple[str, ...], threshold: float) -> tuple[NearDuplicate, ...]:
    rounding = 1e-9  # two equal rows have a cosine of 1 but for the last digits
    pairs = [
        NearDuplicate((names[i], names[j]), cosine)
        for i, row in enumerate(gram.tolist())
        for j, cosine in enumerate(row[i + 1 :], start=i + 1)
        if cosine >= threshold - rounding
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.cosine))
