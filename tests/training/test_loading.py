from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.data import JointAugment
from deconfound.data.memory import MemoryDataset
from deconfound.estimators.weighting import weighted_order
from deconfound.training.loading import (
    batches,
    derived_seed,
    evaluation_order,
    steps_per_epoch,
    training_order,
)

from .standin import Disks

numbers = st.integers(1, 60)


@given(numbers, st.integers(1, 9), st.integers(1, 4), st.integers(0, 99), st.integers(0, 9))
def test_processes_share_full_batches_without_repetition(
    images: int, size: int, world: int, seed: int, epoch: int
) -> None:
    orders = [training_order(images, seed, epoch, size, rank, world) for rank in range(world)]
    seen = [index for order in orders for index in order]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(images))
    assert len({len(order) for order in orders}) == 1
    if images >= world:
        assert steps_per_epoch(images, size, world) == -(-len(orders[0]) // size)
    if images >= size * world:
        assert len(orders[0]) == size * (images // (size * world))
    else:
        assert len(orders[0]) == images // world


@given(numbers, st.integers(0, 99), st.integers(0, 9))
def test_order_follows_from_seed_and_epoch_only(images: int, seed: int, epoch: int) -> None:
    assert training_order(images, seed, epoch, 1) == training_order(images, seed, epoch, 1)
    assert sorted(training_order(images, seed, epoch, 1)) == list(range(images))


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(training_order(40, s, e, 4)) for s in range(5) for e in range(5)}
    assert len(orders) == 25
    assert len({derived_seed(s, e) for s in range(50) for e in range(50)}) == 2500


@given(numbers, st.integers(1, 5))
def test_evaluation_sees_every_image_once(images: int, world: int) -> None:
    shares = [evaluation_order(images, rank, world) for rank in range(world)]
    assert sorted(index for share in shares for index in share) == list(range(images))


def test_batches_stack_the_contract() -> None:
    loaded = list(batches(Disks(5), [4, 0, 2], 2, workers=0, seed=0))
    assert [batch["index"].tolist() for batch in loaded] == [[4, 0], [2]]
    assert loaded[0]["image"].shape == (2, 3, 16, 16)
    assert loaded[0]["mask"].shape == (2, 16, 16)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=12), st.integers(0, 99))
def test_a_further_draw_of_an_image_is_told_apart(weights: list[int], seed: int) -> None:
    """Or a sampler that draws a rare image eight times would show eight times the same pixels."""
    count = len(weights)
    order = training_order(count, seed, 0, 1, weights=torch.tensor(weights, dtype=torch.float64))
    assert len(set(order)) == len(order)
    drawn = weighted_order(torch.tensor(weights), count, seed, 0)
    assert [index % count for index in order] == drawn[: len(order)]


@pytest.mark.parametrize("augment", [None, JointAugment(0)])
def test_a_further_draw_is_augmented_anew(augment: JointAugment | None) -> None:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 3, 16, 16), generator=g).to(torch.uint8)
    nothing = torch.zeros(3, dtype=torch.int64)
    one = MemoryDataset(images, torch.ones_like(images[:, 0]), nothing, nothing, augment)
    (batch,) = batches(one, [1, 1 + 3, 1 + 2 * 3], 3, workers=0, seed=0)
    assert batch["index"].tolist() == [1, 1, 1]
    first, second, third = batch["image"]
    assert torch.equal(first, one[1]["image"])
    assert torch.equal(first, second) == torch.equal(second, third) == (augment is None)


def test_a_dataset_that_draws_nothing_anew_gives_the_same() -> None:
    (batch,) = batches(Disks(5), [2, 2 + 5], 2, workers=0, seed=0)
    assert batch["index"].tolist() == [2, 2]
