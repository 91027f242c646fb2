"""The causal model behind the pictures: who causes whom, and how strongly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.simulation import (
    ASSOCIATED,
    CLASSES,
    CONFOUNDERS,
    GROUPS,
    SITES,
    sample_classes,
    sample_strengths,
)
from deconfound.simulation.names import EXCLUSIVE

MANY = range(3000)


def chi_square(one: Tensor, other: Tensor) -> tuple[float, int]:
    """Pearson's statistic of two categorical samples, and its degrees of freedom."""
    table = torch.zeros(int(one.max()) + 1, int(other.max()) + 1)
    table.index_put_((one, other), torch.ones(len(one)), accumulate=True)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    expected = table.sum(1, keepdim=True) * table.sum(0, keepdim=True) / table.sum()
    statistic = ((table - expected).square() / expected).sum().item()
    return statistic, (table.shape[0] - 1) * (table.shape[1] - 1)


def test_names_follow_the_pack() -> None:
    assert [len(group) for group in GROUPS.values()] == [2, 3, 2, 2, 3]
    assert len(set(CONFOUNDERS)) == 12
    assert set(ASSOCIATED) == set(CLASSES)
    assert len(set(ASSOCIATED.values())) == len(CLASSES)


def test_sites_are_distributions_and_differ() -> None:
    assert len({site.name for site in SITES}) == 5
    for site in SITES:
        assert sum(site.confounder_prior) == pytest.approx(1)
        assert sum(site.class_prior) == pytest.approx(1)
        assert len(site.confounder_prior) == 12
    assert len({site.confounder_prior for site in SITES}) == 5
    assert len({site.palette for site in SITES}) == 5
    assert len({site.anatomy for site in SITES}) == 5


@given(
    seed=st.integers(0, 2**40),
    site=st.sampled_from(SITES),
    correlation=st.floats(0, 1),
    together=st.integers(1, 5),
)
def test_strengths_are_few_visible_and_free_of_contradiction(
    seed: int, site: object, correlation: float, together: int
) -> None:
    classes = sample_classes(seed, range(40), site, 0.2)
    strengths = sample_strengths(seed, range(40), site, classes, correlation, together)
    active = strengths > 0
    assert ((active.sum(1) >= 1) & (active.sum(1) <= together)).all()
    assert ((strengths == 0) | ((strengths >= 0.35) & (strengths <= 1))).all()
    for one, other in EXCLUSIVE:
        assert not (active[:, CONFOUNDERS.index(one)] & active[:, CONFOUNDERS.index(other)]).any()


def test_draws_do_not_depend_on_the_batch() -> None:
    classes = sample_classes(3, range(50), SITES[1])
    strengths = sample_strengths(3, range(50), SITES[1], classes, 0.5)
    rows = [49, 7, 23]
    assert torch.equal(sample_classes(3, rows, SITES[1]), classes[rows])
    assert torch.equal(sample_strengths(3, rows, SITES[1], classes[rows], 0.5), strengths[rows])


def test_full_correlation_makes_the_confounder_a_function_of_the_class() -> None:
    classes = sample_classes(0, MANY, SITES[3])
    strengths = sample_strengths(0, MANY, SITES[3], classes, 1.0, max_together=1)
    own = torch.tensor([CONFOUNDERS.index(ASSOCIATED[name]) for name in CLASSES])
    assert torch.equal(strengths.argmax(1), own[classes])
    together = sample_strengths(0, MANY, SITES[3], classes, 1.0, max_together=3)
    assert (together.gather(1, own[classes][:, None]) > 0).all()


def test_without_correlation_class_and_confounder_are_independent_given_the_site() -> None:
    for site in SITES:
        classes = sample_classes(0, MANY, site)
        first = sample_strengths(0, MANY, site, classes, 0.0, max_together=1).argmax(1)
        statistic, freedom = chi_square(classes, first)
        assert statistic < freedom + 4 * (2 * freedom) ** 0.5, site.name
        bound = sample_strengths(0, MANY, site, classes, 0.5, max_together=1).argmax(1)
        assert chi_square(classes, bound)[0] > 10 * freedom


def test_the_first_confounder_and_the_class_follow_the_site_priors() -> None:
    for site in SITES:
        classes = sample_classes(1, MANY, site)
        shares = torch.bincount(classes, minlength=5) / len(MANY)
        assert (shares - torch.tensor(site.class_prior)).abs().max() < 0.035
        first = sample_strengths(1, MANY, site, classes, 0.0, max_together=1).argmax(1)
        shares = torch.bincount(first, minlength=12) / len(MANY)
        assert (shares - torch.tensor(site.confounder_prior)).abs().max() < 0.035


def test_the_dial_turns_as_far_as_it_says() -> None:
    site = SITES[0]
    classes = sample_classes(0, MANY, site)
    own = torch.tensor([CONFOUNDERS.index(ASSOCIATED[name]) for name in CLASSES])[classes]
    by_chance = torch.tensor(site.confounder_prior)[own].mean().item()
    for dial in (0.25, 0.75, 0.95):
        first = sample_strengths(0, MANY, site, classes, dial, max_together=1).argmax(1)
        share = (first == own).float().mean().item()
        assert share == pytest.approx(dial + (1 - dial) * by_chance, abs=0.03)


def test_healthy_pictures_have_no_confounder_of_their_own() -> None:
    none = torch.full((500,), -1)
    dialled = sample_strengths(0, range(500), SITES[0], none, 1.0)
    assert torch.equal(dialled, sample_strengths(0, range(500), SITES[0], none, 0.0))
    share = (sample_classes(0, MANY, SITES[0], healthy=0.3) == -1).float().mean()
    assert share == pytest.approx(0.3, abs=0.03)


def test_bad_settings_are_named() -> None:
    zeros = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ConfigurationError, match=r"correlation must lie in \[0, 1\], found 1.5"):
        sample_strengths(0, [0, 1], SITES[0], zeros, 1.5)
    with pytest.raises(ConfigurationError, match="max_together must be 1 to 9, found 0"):
        sample_strengths(0, [0, 1], SITES[0], zeros, max_together=0)
    with pytest.raises(ShapeError, match=r"\(2,\), one class for each index, found \(3,\)"):
        sample_strengths(0, [0, 1], SITES[0], torch.zeros(3))
    with pytest.raises(ConfigurationError, match=r"healthy must lie in \[0, 1\], found -0.1"):
        sample_classes(0, [0], SITES[0], -0.1)
