"""Subjects that are wrong in a known way: each refuter must refute the one that it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.diagnostics.refuters import ScmSubject
from deconfound.diagnostics.refuters.other_words import Encode
from deconfound.diagnostics.refuters.placebo import rotated
from deconfound.diagnostics.refuters.worlds import Observed
from deconfound.simulation import DiscreteSCM, Sample, World
from deconfound.types import Confounders

# --- estimators ---------------------------------------------------------------------------


def added_up(observed: Observed) -> Tensor:
    """Add what every name does, where it should be averaged: more names, another answer."""
    outcome = observed.pairs / observed.pairs.sum(dim=2, keepdim=True)
    plain = observed.pairs.sum(dim=0)
    plain = plain / plain.sum(dim=1, keepdim=True)
    return plain + (outcome - plain).sum(dim=0)


def without_regions(observed: Observed) -> Tensor:
    """Say the same of every feature: any regions would have done."""
    outcome = observed.pairs.sum(dim=(0, 1))
    return (outcome / outcome.sum()).expand(observed.pairs.shape[1:])


# --- subjects -----------------------------------------------------------------------------


class Frozen(ScmSubject):
    """Adjusts, and owes nothing to the dictionary that it is given."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        return super().estimate(self.dictionary(), seed)


class Alike(ScmSubject):
    """Takes all names for equally likely: which prior belongs to which is not used."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        even = torch.full_like(confounders.prior, 1 / len(confounders.prior))
        return super().estimate(replace(confounders, prior=even), seed)


class Flattering(ScmSubject):
    """Rewards the real dictionary, whatever the outcomes."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        real = torch.equal(confounders.embeddings, self.dictionary().embeddings)
        return super().estimate(confounders, seed) + 0.1 * real


class Forgetful(ScmSubject):
    """Never looks at the first name."""

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        kept = [m for m, name in enumerate(confounders.names) if name != "z0"]
        prior = confounders.prior[kept]
        names = tuple(confounders.names[m] for m in kept)
        rest = Confounders(confounders.embeddings[kept], prior / prior.sum(), names)
        return super().estimate(rest, seed)


@dataclass(frozen=True, eq=False)
class Regional(ScmSubject):
    """Sees of F what its class embeddings select; right or wrong is the estimator.

    As with a trained model, placebo regions are asked of what was fitted with the real ones.

    Args:
        turned: a seed by which the embeddings are turned; None leaves them.
    """

    turned: int | None = field(default=None, kw_only=True)

    def with_placebo_regions(self, seed: int) -> Regional:
        return replace(self, turned=seed)

    def _sample(self, world: World, seed: int) -> Sample:
        sample = super()._sample(world, seed)
        if self.turned is None or world == "observational":
            return sample
        prompts = F.normalize(rotated(self.scm.features, self.turned), dim=1)
        return replace(sample, f=(self.scm.features @ prompts.T).argmax(dim=1)[sample.f])


# --- text towers --------------------------------------------------------------------------


def tower(scm: DiscreteSCM, of_the_sentence: float = 0.0) -> Encode:
    """Return a text tower that knows a world's confounders by name, "… with z1".

    Args:
        scm: the world.
        of_the_sentence: share of an embedding, in [0, 1], that is the sentence around the name; at
            1 the wording decides, and no name says anything.
    """
    known = dict(zip(scm.dictionary().names, scm.confounders, strict=True))
    width = scm.confounders.shape[1]

    def encode(sentences: Sequence[str]) -> Tensor:
        rows = []
        for sentence in sentences:
            thing = known.get(sentence.split()[-1])
            meant = _drawn(sentence, width) if thing is None else thing
            rows.append(torch.lerp(meant, _drawn(sentence, width), of_the_sentence))
        return F.normalize(torch.stack(rows), dim=1)

    return encode


def _drawn(text: str, width: int) -> Tensor:
    """Return a unit vector that is always the same for a text."""
    generator = torch.Generator().manual_seed(int.from_bytes(text.encode()) % 2**63)
    return F.normalize(torch.randn(width, generator=generator, dtype=torch.float64), dim=0)
