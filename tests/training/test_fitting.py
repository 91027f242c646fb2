"""Parts made from images: which are fitted, on what, and that a resumed run fits the same."""

from __future__ import annotations

import pytest
import torch

from deconfound import CausalSegmenter
from deconfound.data import JointAugment
from deconfound.data.memory import MemoryDataset
from deconfound.encoders.level_interventions import observe_levels
from deconfound.estimators.weighting import balancing_weights, read_posterior
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.interventions.covariances import RunningCovariances
from deconfound.training.fitting import fit_parts
from deconfound.training.reading import named_confounders
from tests.tiny import tiny_vlm

SIZE = 64


def images(augmented: bool = False) -> MemoryDataset:
    g = torch.Generator().manual_seed(0)
    count = 20
    return MemoryDataset(
        torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=g).to(torch.uint8),
        torch.ones(count, SIZE, SIZE, dtype=torch.uint8),
        torch.arange(count) % 5,
        torch.zeros(count).long(),
        JointAugment(0) if augmented else None,
    )


def model(**parts: object) -> CausalSegmenter:
    torch.manual_seed(0)  # the same pyramid every time
    return CausalSegmenter("Linknet", vlm=tiny_vlm(), intervention="identity", **parts)  # type: ignore[arg-type]


def balanced(pooled: torch.Tensor, of: CausalSegmenter) -> torch.Tensor:
    """Return the posterior of all images, times weights under which classes go apart from z."""
    posterior = read_posterior(pooled, of.dictionary(), TEMPERATURE)
    weights = balancing_weights(posterior, images().class_index, 5).weights
    assert weights.std() > 0  # the test would say nothing
    return posterior * weights[:, None].float()


def test_a_model_of_words_is_left_alone() -> None:
    plain, told = model(), []
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    fit_parts(plain, images(), lambda *seen: told.append(seen))
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    assert told == []


def test_clusters_are_fitted_to_every_image_as_it_was_found() -> None:
    first, again = (model(dictionary={"name": "kmeans", "clusters": 3}) for _ in range(2))
    told: list[tuple[int, int]] = []
    fit_parts(first, images(augmented=True), lambda *seen: told.append(seen), batch=8)
    assert told == [(8, 20), (16, 20), (20, 20)]
    fit_parts(again, images())
    assert torch.equal(first.dictionary().embeddings, again.dictionary().embeddings)
    assert first.dictionary().names == ("cluster 1", "cluster 2", "cluster 3")


@pytest.mark.parametrize("dictionary", ["text", {"name": "kmeans", "clusters": 3}, "learned"])
def test_levels_hold_statistics_of_the_confounders_in_words(dictionary) -> None:
    """Whatever the dictionary, which a layer that names the pack's confounders could not hold."""
    fitted = model(dictionary=dictionary, level_intervention="statistics")
    by_hand = model(level_intervention="statistics")
    fit_parts(fitted, images())
    batches = [{"image": torch.stack([images()[i]["image"] for i in range(20)])}]
    by_hand.level_intervention.fit(  # type: ignore[operator]
        observe_levels(by_hand, batches, lambda x, _: balanced(x, by_hand))
    )
    level = fitted.level_intervention.levels[0]  # type: ignore[index]
    for kind in ("mean", "std"):
        ours, theirs = (
            one.level_intervention.get_buffer(f"{kind}_{level}") for one in (fitted, by_hand)
        )
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert named_confounders(fitted).names == fitted.pack.confounder_names


def test_levels_are_set_as_often_as_the_dictionary_says() -> None:
    prior = [0, *range(1, 12)]  # what never occurs is asked of no picture
    fitted = model(dictionary={"name": "text", "prior": prior}, level_intervention="statistics")
    fit_parts(fitted, images())
    assert torch.equal(fitted.level_intervention.prior, fitted.dictionary().prior)


def test_levels_are_erased_once_they_are_fitted() -> None:
    one = model(level_intervention={"name": "erasure", "levels": [-1]})
    (level,) = one.level_intervention.levels  # type: ignore[misc]
    assert not one.level_intervention.get_buffer(f"removal_{level}").any()
    fit_parts(one, images())
    assert one.level_intervention.get_buffer(f"removal_{level}").any()


def test_regions_are_erased_as_if_all_had_been_seen_at_once() -> None:
    torch.manual_seed(0)
    one = CausalSegmenter("Linknet", vlm=tiny_vlm(), intervention="leace")
    fit_parts(one, images(), batch=8)
    everything = torch.stack([images()[i]["image"] for i in range(20)])
    with torch.no_grad():
        traced = one.eval().trace(one.normalize(everything))
    all_at_once = RunningCovariances()
    all_at_once.add(traced.regions.features, balanced(traced.pooled, one))
    at_once = all_at_once.eraser()
    assert at_once.removal.abs().max() > 0.01
    torch.testing.assert_close(
        one.intervention.removal, at_once.removal.float(), atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(one.intervention.mean, at_once.mean.float(), atol=1e-4, rtol=1e-3)
