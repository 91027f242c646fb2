"""The closed form by which worlds are chosen says what large samples say."""

from __future__ import annotations

import pytest
import torch

from deconfound.diagnostics.refuters import LeaveOneOut, PermutedPairs, ScmSubject, Subset
from deconfound.simulation import random_scm
from tests.diagnostics.refuters.bad_subjects import Regional
from tests.diagnostics.refuters.limits import adjusted, lost_by_other_regions, lost_by_the_change

WIDE = 128


@pytest.mark.parametrize("refuter", [LeaveOneOut("z0"), PermutedPairs(), Subset()])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_lost_is_what_a_large_sample_loses(refuter, seed) -> None:
    scm = random_scm(seed, dim=WIDE)
    subject = ScmSubject(scm, count=100_000, noise=0)
    real = scm.dictionary()
    changed = refuter.change(real, 0)
    lost = (subject.estimate(real) - subject.estimate(changed)).mean().item()
    assert lost_by_the_change(scm, refuter, [0]) == pytest.approx(lost, abs=0.01)


@pytest.mark.parametrize("seed", [1, 2])
def test_so_it_is_of_regions(seed) -> None:
    scm = random_scm(seed, dim=WIDE)
    subject = Regional(scm, count=100_000, noise=0)
    z = scm.dictionary()
    turned = subject.with_placebo_regions(0)
    lost = (subject.estimate(z) - turned.estimate(z)).mean().item()
    assert lost_by_other_regions(scm, [0]) == pytest.approx(lost, abs=0.01)


def test_with_the_true_dictionary_it_is_the_truth() -> None:
    scm = random_scm(3, dim=WIDE)
    assert torch.allclose(adjusted(scm, scm.dictionary()), scm.outcome_under_do(), atol=0.01)
    assert lost_by_the_change(scm, LeaveOneOut("z0"), [0, 1]) > -1e-3
