"""The pictures of a world: to train on, to choose the epoch on, and of three distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from deconfound.benchmark.cells import BASE_STRENGTH
from deconfound.benchmark.settings import BenchmarkSettings
from deconfound.data import JointAugment, split_by_group
from deconfound.data.memory import MemoryDataset
from deconfound.errors import unknown_name
from deconfound.simulation import SITES, WORLDS, RenderedSample
from deconfound.simulation.scm import World

DISTRIBUTIONS: tuple[World, ...] = ("observational", "interventional", "reversed")

TEST_SEEDS = 100_000
"""Scenes of tests are drawn with seeds from here on; training uses those below."""


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """What a method gets: images, masks, sites and classes; of the confounders, nothing."""

    train: MemoryDataset
    validation: MemoryDataset


def training_images(
    world: str, strength: float, seed: int, settings: BenchmarkSettings
) -> TrainingImages:
    """Render the training images of a world; a fifth of the patients choose the epoch."""
    sample = _sample(world, strength, "observational", seed, settings.images, settings.image_size)
    sites = [SITES[i].name for i in sample.site_index.tolist()]
    chosen, held = split_by_group(sample.groups, 0.2, seed, sites)
    return TrainingImages(
        _dataset(sample, chosen, JointAugment(seed)), _dataset(sample, held, None)
    )


def scored_images(
    world: str, distribution: World, seed: int, settings: BenchmarkSettings
) -> RenderedSample:
    """Render a test set: the same for every method and strength."""
    return _sample(
        world,
        BASE_STRENGTH,
        distribution,
        TEST_SEEDS + seed,
        settings.test_images,
        settings.image_size,
    )


@lru_cache(maxsize=6)
def _sample(
    world: str, strength: float, distribution: World, seed: int, count: int, size: int
) -> RenderedSample:
    if world not in WORLDS:
        raise unknown_name("world", world, WORLDS)
    return WORLDS[world].with_strength(strength).sample(count, distribution, seed, size)


def _dataset(
    sample: RenderedSample, rows: list[int], augment: JointAugment | None
) -> MemoryDataset:
    return MemoryDataset(
        sample.images[rows],
        sample.masks[rows],
        sample.class_index[rows],
        sample.site_index[rows],
        augment,
    )
