"""What is lost by a change when data are endless: a sum, so it is known whether it can be seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from deconfound.diagnostics.refuters import LeaveOneOut, PermutedPairs, ScmSubject, Subset, backdoor
from deconfound.diagnostics.refuters.placebo import rotated
from deconfound.diagnostics.refuters.worlds import Observed
from deconfound.estimators.weighting import read_posterior
from deconfound.simulation import DiscreteSCM
from deconfound.types import Confounders

Partial = LeaveOneOut | PermutedPairs | Subset


def lost_by_the_change(scm: DiscreteSCM, refuter: Partial, seeds: Sequence[int]) -> float:
    """Return the least that a refuter's changed dictionaries cost; 0 where there is none."""
    real = scm.dictionary()
    changed = [refuter.change(real, seed) for seed in seeds]
    fair = _off(scm, adjusted(scm, real))
    return min(0.0 if z is None else _off(scm, adjusted(scm, z)) - fair for z in changed)


def lost_by_other_regions(scm: DiscreteSCM, seeds: Sequence[int]) -> float:
    """Return the least that turned class embeddings cost."""
    fair = adjusted(scm, scm.dictionary())
    turned = [F.normalize(rotated(scm.features, seed), dim=1) for seed in seeds]
    taken = [(scm.features @ one.T).argmax(dim=1) for one in turned]
    return min(_off(scm, fair[regions]) for regions in taken) - _off(scm, fair)


def adjusted(scm: DiscreteSCM, confounders: Confounders) -> Tensor:
    """Return what `backdoor` tends to with a dictionary, (L, K), from pictures without noise."""
    temperature = ScmSubject(scm).temperature
    reading = read_posterior(scm.confounders, confounders, temperature)  # of each true z
    pairs = (reading.T @ scm.joint().flatten(1)).unflatten(1, scm.joint().shape[1:])
    return backdoor(Observed(pairs, confounders.prior))


def _off(scm: DiscreteSCM, outcome: Tensor) -> float:
    """Return E‖P̂ - P(Y|do(F))‖², by which a mean quadratic score falls short of the best."""
    off = (outcome - scm.outcome_under_do()).square().sum(dim=1)
    return float(scm.prior @ scm.feature_given_confounder() @ off)
