"""Covariances that an eraser is made of: weighed as repeated, and fair to what is confounded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from deconfound.estimators.weighting import balancing_weights
from deconfound.interventions import LeaceEraser
from deconfound.interventions.covariances import RunningCovariances
from deconfound.testing.strategies import seeds


def eraser(features: torch.Tensor, rows: torch.Tensor) -> LeaceEraser:
    gathered = RunningCovariances()
    gathered.add(features, rows)
    return gathered.eraser()


@given(seed=seeds, times=st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_a_row_times_a_weight_is_a_picture_seen_as_often(seed, times) -> None:
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(8, 3, 4, generator=g).double()
    posterior = torch.randn(8, 3, generator=g).double().softmax(dim=1)
    often = torch.tensor(times)
    weighed = eraser(features, posterior * often[:, None])
    repeated = eraser(features.repeat_interleave(often, 0), posterior.repeat_interleave(often, 0))
    torch.testing.assert_close(weighed.mean, repeated.mean)
    torch.testing.assert_close(weighed.removal, repeated.removal, atol=1e-6, rtol=1e-6)


def test_balanced_the_confounder_goes_and_the_class_stays() -> None:
    """Nine of ten pictures of a class show its confounder; both are marked in other features."""
    g = torch.Generator().manual_seed(0)
    classes = torch.randint(2, (4000,), generator=g)
    agrees = torch.rand(4000, generator=g) < 0.9
    z = torch.where(agrees, classes, 1 - classes)
    marks = torch.column_stack([classes, z]).double()
    features = 2 * marks + torch.randn(4000, 2, generator=g).double()
    posterior = F.one_hot(z, 2).double()
    weights = balancing_weights(posterior, classes, 2).weights
    plain = eraser(features[:, None], posterior)(features)
    balanced = eraser(features[:, None], posterior * weights[:, None])(features)

    def told(x: torch.Tensor, label: torch.Tensor) -> float:
        """Return the accuracy of a linear reader where class and confounder go apart."""
        fitted = LogisticRegression().fit(x, label, weights)
        return float(fitted.score(x, label, weights))

    assert told(balanced, z) < 0.52
    assert told(balanced, classes) > 0.8
    assert told(plain, classes) < 0.75
