"""Which pictures train, choose and test."""

from __future__ import annotations

import pytest
import torch

from deconfound.benchmark import BenchmarkSettings
from deconfound.benchmark.worlds import DISTRIBUTIONS, scored_images, training_images
from deconfound.errors import UnknownNameError
from deconfound.simulation import WORLDS
from deconfound.simulation.scm import SETTABLE

SMALL = BenchmarkSettings(images=60, test_images=40, image_size=64)


def keys(pictures: torch.Tensor) -> set[bytes]:
    return {picture.numpy().tobytes() for picture in pictures}


def test_training_validation_and_tests_share_no_picture() -> None:
    training = training_images("mixed", 0.95, 0, SMALL)
    sets = [keys(training.train.images), keys(training.validation.images)]
    sets += [keys(scored_images("mixed", name, 0, SMALL).images) for name in DISTRIBUTIONS]
    assert len(training.train) + len(training.validation) == SMALL.images
    for place, one in enumerate(sets[:2]):
        for other in sets[place + 1 :]:
            assert not one & other


def test_only_training_pictures_are_augmented() -> None:
    training = training_images("mixed", 0.95, 0, SMALL)
    assert training.train.augment is not None
    assert training.validation.augment is None


def test_the_tests_show_one_scene_under_three_distributions() -> None:
    samples = [scored_images("renderable", name, 0, SMALL) for name in DISTRIBUTIONS]
    for sample in samples[1:]:
        assert sample.class_index.equal(samples[0].class_index)
        assert sample.site_index.equal(samples[0].site_index)
    assert not samples[0].confounder.equal(samples[2].confounder)


def test_class_and_confounder_go_together_as_the_distribution_says() -> None:
    many = SMALL.model_copy(update={"test_images": 400})
    own = {edge.lesion: SETTABLE.index(edge.confounder) for edge in WORLDS["renderable"].edges}
    expected = torch.tensor(list(own.values()))
    agree = {}
    for name in DISTRIBUTIONS:
        causes = WORLDS["renderable"].with_strength(0.95).draw(many.test_images, name, 100_000)
        agree[name] = float((causes.confounder == expected[causes.class_index]).float().mean())
    assert agree["observational"] > 0.9
    assert agree["reversed"] < 0.1
    assert agree["reversed"] < agree["interventional"] < 0.4


def test_seeds_draw_other_pictures() -> None:
    one, other = (training_images("mixed", 0.95, seed, SMALL).train for seed in (0, 1))
    assert not keys(one.images) & keys(other.images)


def test_an_unknown_world_names_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean renderable"):
        training_images("renderabel", 0.95, 0, SMALL)
