"""GroupDRO: the contract, and weights that are a distribution on its way to the worst site."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deconfound.errors import ConfigurationError, DataError
from deconfound.losses import SegmentationLoss
from deconfound.rivals import GroupDRO
from deconfound.rivals.group_dro import GroupDroLoss
from deconfound.testing import RivalContract
from deconfound.testing.strategies import generator, seeds
from tests.rivals.closed_world import SegmentationAlone, told

SITES = 4
kinds = st.sampled_from(["ce", "ce+dice"])
etas = st.floats(0, 2)


class TestGroupDRO(RivalContract):
    def make(self) -> GroupDRO:
        return GroupDRO()


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, 1, 4, 5), masks and sites of a batch; the last site occurs in none."""
    sites = torch.tensor(draw(st.lists(st.integers(0, SITES - 2), min_size=1, max_size=8)))
    g = generator(draw(seeds))
    logits = 2 * torch.randn(len(sites), 1, 4, 5, generator=g, dtype=torch.float64)
    return logits, torch.randint(2, (len(sites), 4, 5), generator=g), sites


def loss(eta: float, kind: str = "ce") -> GroupDroLoss:
    return GroupDroLoss(SegmentationAlone(kind), SITES, eta).double()


def of_each_site(batch, kind: str, weight: Tensor | None = None) -> dict[int, Tensor]:
    """The oracle: every site's images, cut out and scored alone."""
    logits, mask, sites = batch
    found = {}
    for site in sites.unique().tolist():
        rows = sites == site
        own = None if weight is None else weight[rows]
        found[site] = SegmentationLoss(kind)(logits[rows], mask[rows], own)
    return found


@given(batch=batches(), kind=kinds, weighted=st.booleans())
def test_without_a_step_it_is_the_mean_over_sites(batch, kind, weighted) -> None:
    logits, mask, sites = batch
    weight = torch.linspace(0.2, 1.7, len(sites)).double() if weighted else None
    criterion = loss(0.0, kind)
    found = criterion(told(logits), mask, None, weight=weight, site_index=sites)
    expected = torch.stack(list(of_each_site(batch, kind, weight).values())).mean()
    torch.testing.assert_close(found["loss"], expected)
    torch.testing.assert_close(criterion.q, torch.full((SITES,), 1 / SITES).double())


@given(given=st.lists(batches(), min_size=1, max_size=5), eta=etas)
def test_the_weights_stay_a_distribution(given, eta) -> None:
    """Sites that no batch holds keep theirs; the held-out one is of these."""
    criterion = loss(eta)
    for logits, mask, sites in given:
        before = criterion.q
        criterion(told(logits), mask, None, site_index=sites)
        absent = [site for site in range(SITES) if site not in sites]
        torch.testing.assert_close(criterion.q[absent], before[absent])
    assert (criterion.q > 0).all()
    assert float(criterion.q.sum()) == pytest.approx(1)
    assert float(criterion.q[-1]) == pytest.approx(1 / SITES)


@given(batch=batches(), kind=kinds, eta=etas, steps=st.integers(1, 4))
def test_the_weights_are_those_of_exponentiated_gradients(batch, kind, eta, steps) -> None:
    """After n steps on one batch q_g ∝ exp(n η L_g), and the loss is Σ q_g L_g with the last q."""
    logits, mask, sites = batch
    criterion = loss(eta, kind)
    for _ in range(steps):
        found = criterion(told(logits), mask, None, site_index=sites)
    by_site = of_each_site(batch, kind)
    losses = torch.stack(list(by_site.values()))
    expected = (steps * eta * losses).softmax(dim=0)
    q = criterion.q[list(by_site)]
    torch.testing.assert_close(q / q.sum(), expected)
    torch.testing.assert_close(found["loss"], (expected * losses).sum())


def test_the_worst_site_comes_to_count_alone() -> None:
    logits, mask = torch.zeros(6, 1, 2, 2), torch.ones(6, 2, 2, dtype=torch.int64)
    logits[:2], logits[2:4], logits[4:] = 2.0, -2.0, 0.5  # right, wrong, unsure
    sites = torch.tensor([0, 0, 1, 1, 2, 2])
    criterion, shares = loss(0.5), []
    for _ in range(20):
        found = criterion(told(logits.double()), mask, None, site_index=sites)
        shares.append(float(criterion.q[1]))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(3 / SITES, abs=1e-3)  # all but what the absent one holds
    assert float(found["loss"]) == pytest.approx(2.127, abs=0.01)  # log(1 + e²)


def test_evaluation_moves_nothing() -> None:
    logits, mask = torch.randn(4, 1, 2, 2).double(), torch.ones(4, 2, 2, dtype=torch.int64)
    criterion = loss(1.0).eval()
    before = criterion.q
    criterion(told(logits), mask, None, site_index=torch.tensor([0, 0, 1, 2]))
    assert torch.equal(criterion.q, before)


def test_every_mistake_is_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="eta must be ≥ 0, found -1"):
        loss(-1)
    logits, mask = torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64)
    with pytest.raises(DataError, match="GroupDRO: expected sites from 0 to 3, found 4 to 4"):
        loss(0.1)(told(logits), mask, None, site_index=torch.tensor([4]))
