"""Dictionaries made from images: what they average, how often it occurs, and what they refuse."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from deconfound import CausalSegmenter
from deconfound.dictionaries import (
    ClassMeanDictionary,
    ConfounderDictionary,
    FitsData,
    KMeansDictionary,
    TextPromptDictionary,
)
from deconfound.dictionaries.class_means import lesion_features
from deconfound.errors import (
    ConfigurationError,
    DataError,
    DeconfoundWarning,
    ShapeError,
    UnknownNameError,
)
from deconfound.testing import ConfounderDictionaryContract
from deconfound.testing.strategies import dense_maps, generator, seeds
from tests.tiny import tiny_vlm

DIM = 32
UNET = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}


def segmenter(dictionary="text", classes: int = 1) -> CausalSegmenter:
    torch.manual_seed(0)
    return CausalSegmenter(UNET, vlm=tiny_vlm(), dictionary=dictionary, classes=classes).eval()


@cache
def model() -> CausalSegmenter:
    return segmenter()


def pictures(seed: int, count: int = 12, size: int = 32) -> dict[str, torch.Tensor]:
    """Noise on a colour of its own, a lesion in most, of classes 0 to K - 1 or unknown."""
    g = generator(seed)
    colour = torch.rand(count, 3, 1, 1, generator=g)
    image = (colour + 0.2 * torch.rand(count, 3, size, size, generator=g)).clamp(0, 1)
    mask = torch.zeros(count, size, size, dtype=torch.int64)
    for i in range(count - 1):
        top, left = torch.randint(0, size - 8, (2,), generator=g).tolist()
        mask[i, top : top + 8, left : left + 5] = 1
    classes = len(model().pack.class_names)
    return {
        "image": image,
        "mask": mask,
        "class_index": torch.randint(-1, classes, (count,), generator=g),
    }


def in_batches(batch: dict[str, torch.Tensor], size: int) -> list[dict[str, torch.Tensor]]:
    count = len(batch["image"])
    return [{k: v[i : i + size] for k, v in batch.items()} for i in range(0, count, size)]


def every_class(seed: int = 0) -> dict[str, torch.Tensor]:
    batch = pictures(seed)
    classes = len(model().pack.class_names)
    return {**batch, "class_index": torch.arange(len(batch["image"])) % classes}


class TestClassMeans(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        return ClassMeanDictionary(DIM).fit(model(), [every_class()])


class TestUniformClassMeans(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        return ClassMeanDictionary(DIM, prior="uniform").fit(model(), [every_class()])


class TestKMeans(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        return KMeansDictionary(DIM, clusters=3).fit(model(), [pictures(0)])


# k-means


def embeddings(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        pooled = model().tower(model().normalize(batch["image"])).pooled
    return F.normalize(pooled, dim=-1)


@given(seed=seeds, clusters=st.integers(1, 6), size=st.integers(1, 12))
def test_the_mean_of_the_dictionary_is_that_of_the_images(seed, clusters, size) -> None:
    batch = pictures(seed)
    z = KMeansDictionary(DIM, clusters).fit(model(), in_batches(batch, size))()
    expected = embeddings(batch).mean(dim=0)
    torch.testing.assert_close(z.prior @ z.embeddings, expected, atol=1e-5, rtol=1e-5)


@given(seed=seeds, clusters=st.integers(1, 6))
def test_every_centre_is_the_mean_of_those_nearest_to_it(seed, clusters) -> None:
    """What k-means converges to; the prior counts them."""
    batch = pictures(seed)
    z = KMeansDictionary(DIM, clusters).fit(model(), [batch])()
    x = embeddings(batch)
    nearest = torch.cdist(x, z.embeddings).argmin(dim=1)
    counts = nearest.bincount(minlength=clusters)
    torch.testing.assert_close(z.prior, counts / len(x))
    for m in range(clusters):
        torch.testing.assert_close(
            z.embeddings[m], x[nearest == m].mean(dim=0), atol=1e-5, rtol=1e-4
        )


def test_clusters_that_lie_apart_are_found() -> None:
    """Dark, red and blue pictures, in unequal numbers, without a label."""
    colours = torch.tensor([[0.05, 0.05, 0.05], [0.9, 0.1, 0.1], [0.1, 0.2, 0.9]])
    kind = torch.tensor([0] * 5 + [1] * 3 + [2] * 12)[torch.randperm(20)]
    image = (colours[kind][:, :, None, None] + 0.02 * torch.randn(20, 3, 32, 32)).clamp(0, 1)
    z = KMeansDictionary(DIM, 3).fit(model(), [{"image": image}])()
    found = torch.cdist(embeddings({"image": image}), z.embeddings).argmin(dim=1)
    assert adjusted_rand_score(kind.numpy(), found.numpy()) == 1
    assert sorted(z.prior.tolist()) == pytest.approx([3 / 20, 5 / 20, 12 / 20])


def test_the_same_seed_gives_the_same_dictionary() -> None:
    first, again = (KMeansDictionary(DIM, 4, seed=3).fit(model(), [pictures(1)]) for _ in "ab")
    assert torch.equal(first.embeddings, again.embeddings)
    assert torch.equal(first.prior, again.prior)


def test_a_uniform_prior_counts_clusters_alike() -> None:
    z = KMeansDictionary(DIM, 4, prior="uniform").fit(model(), [pictures(1)])()
    assert z.prior.tolist() == [0.25] * 4


def test_fewer_different_images_than_clusters() -> None:
    twice = {k: v[:2].repeat(3, *[1] * (v.ndim - 1)) for k, v in pictures(0).items()}
    with pytest.raises(DataError, match="at least 3 different images, one per cluster, found 2"):
        KMeansDictionary(DIM, 3).fit(model(), [twice])
    with pytest.raises(DataError, match="found 0; give more images"):
        KMeansDictionary(DIM, 3).fit(model(), [])


@pytest.mark.parametrize(("clusters", "groups"), [(0, ()), (3, ("a", "b"))])
def test_clusters_out_of_range(clusters, groups) -> None:
    with pytest.raises(ConfigurationError, match=f"found clusters={clusters} and {len(groups)}"):
        KMeansDictionary(DIM, clusters, groups=groups)


# class means


@given(dense=dense_maps(), seed=seeds)
def test_a_lesions_feature_is_the_mean_over_its_pixels(dense, seed) -> None:
    """Oracle: the map drawn at the size of the mask, and NumPy's mean under the mask."""
    batch, _, height, width = dense.shape
    pixels = torch.rand(batch, 4 * height, 4 * width, generator=generator(seed)) < 0.1
    pixels[0] = False
    found = lesion_features(dense, pixels)
    drawn = dense.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3).numpy()
    expected = [
        drawn[i][:, pixels[i].numpy()].mean(axis=1) for i in range(batch) if pixels[i].any()
    ]
    expected = np.stack(expected) if expected else np.zeros((0, dense.shape[1]))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5, rtol=1e-5)


def lesions(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        dense = model().tower(model().normalize(batch["image"])).dense
    return lesion_features(F.normalize(dense, dim=1), batch["mask"] > 0)


@given(seed=seeds, size=st.integers(1, 12))
def test_a_class_is_the_mean_of_its_lesions_and_as_likely_as_they_are_many(seed, size) -> None:
    batch = every_class(seed)
    z = ClassMeanDictionary(DIM).fit(model(), in_batches(batch, size))()
    shown, classes = lesions(batch), batch["class_index"][:-1]  # the last picture shows none
    assert z.names == model().pack.class_names
    for k in range(len(z.names)):
        expected = shown[classes == k].mean(dim=0)
        torch.testing.assert_close(z.embeddings[k], expected, atol=1e-5, rtol=1e-5)
        assert z.prior[k].item() == pytest.approx((classes == k).float().mean().item())
    torch.testing.assert_close(z.prior @ z.embeddings, shown.mean(dim=0), atol=1e-5, rtol=1e-5)


def test_masks_that_name_the_class_need_no_index() -> None:
    batch = every_class()
    binary = ClassMeanDictionary(DIM).fit(model(), [batch])()
    count = len(binary.names)
    named = {
        **batch,
        "mask": batch["mask"] * (batch["class_index"] + 1)[:, None, None],
        "class_index": torch.full_like(batch["class_index"], -1),
    }
    several = ClassMeanDictionary(DIM).fit(segmenter(classes=count + 1), [named])()
    torch.testing.assert_close(several.embeddings, binary.embeddings)
    torch.testing.assert_close(several.prior, binary.prior)


@pytest.mark.parametrize("prior", ["frequency", "uniform"])
def test_a_class_that_never_occurs_has_no_weight(prior) -> None:
    batch = every_class()
    batch["class_index"][batch["class_index"] == 0] = -1
    absent = model().pack.class_names[0]
    with pytest.warns(DeconfoundWarning, match=f"found no lesion of {absent}, which gets P"):
        z = ClassMeanDictionary(DIM, prior).fit(model(), [batch])()
    assert z.prior[0] == 0
    assert z.embeddings[0].abs().max() == 0
    assert z.prior.sum().item() == pytest.approx(1)
    whole = segmenter("class_means")
    whole.dictionary.hold(z.embeddings, (z.prior > 0).long(), z.names)
    assert whole(torch.randn(1, 3, 64, 64)).isfinite().all()


def test_no_lesion_at_all() -> None:
    batch = {**pictures(0), "class_index": torch.full((12,), -1)}
    with pytest.raises(DataError, match="found none; give images with masks and a known class"):
        ClassMeanDictionary(DIM).fit(model(), [batch])


# both


@pytest.mark.parametrize("name", ["class_means", "kmeans"])
def test_nothing_is_used_before_it_is_fitted(name) -> None:
    whole = segmenter(name)
    with pytest.raises(ConfigurationError, match=r"holds no prototypes yet; call model.dictionary"):
        whole(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize("name", ["class_means", {"name": "kmeans", "clusters": 5}])
def test_a_fitted_model_is_the_same_on_disk(name, tmp_path) -> None:
    whole = segmenter(name)
    whole.dictionary.fit(whole, [every_class()])
    images = torch.randn(2, 3, 64, 64)
    whole.save_pretrained(tmp_path)
    again = CausalSegmenter.from_pretrained(tmp_path)
    assert again.dictionary().names == whole.dictionary().names
    assert torch.equal(again.dictionary().prior, whole.dictionary().prior)
    assert torch.equal(again(images), whole(images))


def test_fitting_leaves_the_model_as_it_was() -> None:
    whole = segmenter("kmeans").train()
    before = copy.deepcopy(whole.tower.state_dict())
    whole.dictionary.fit(whole, [pictures(0, count=20)])
    modes = [part.training for part in whole.modules()]
    assert modes == [part.training for part in segmenter("kmeans").train().modules()]
    assert all(torch.equal(before[k], v) for k, v in whole.tower.state_dict().items())
    assert not whole.dictionary().embeddings.requires_grad


def test_fitting_is_a_declared_capability() -> None:
    assert isinstance(KMeansDictionary(DIM), FitsData)
    assert isinstance(ClassMeanDictionary(DIM), FitsData)
    assert not isinstance(TextPromptDictionary(["a"], torch.ones(1, 2)), FitsData)


@pytest.mark.parametrize(
    ("dictionary", "key"), [(ClassMeanDictionary, "mask"), (KMeansDictionary, "image")]
)
def test_a_batch_that_lacks_an_entry(dictionary, key) -> None:
    batch = pictures(0)
    del batch[key]
    with pytest.raises(DataError, match=f"found .*; add {key}"):
        dictionary(DIM).fit(model(), [batch])


@pytest.mark.parametrize("dictionary", [ClassMeanDictionary, KMeansDictionary])
def test_a_tower_of_another_width(dictionary) -> None:
    with pytest.raises(ShapeError, match="joint space is 16 wide, found 32"):
        dictionary(16).fit(model(), [pictures(0)])


def test_a_misspelt_prior() -> None:
    with pytest.raises(UnknownNameError, match="did you mean frequency"):
        KMeansDictionary(DIM, prior="frequencies")
