"""The probe and the kernel test: they find a planted site, and only a planted one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deconfound.diagnostics import kernel_independence, site_probe
from deconfound.diagnostics.ridge import RidgeProbe
from deconfound.diagnostics.shuffling import block_labels, shuffle_within
from deconfound.errors import ConfigurationError, DataError
from deconfound.testing.strategies import seeds


def world(seed: int, planted: float, count: int = 120, sites: int = 3, width: int = 6):
    """Class and site are related, features follow the class, and the site as far as planted."""
    draw = np.random.default_rng(seed)
    classes = draw.integers(3, size=count)
    site = np.where(draw.random(count) < 0.6, classes % sites, draw.integers(sites, size=count))
    of_class, of_site = draw.normal(size=(3, width)), draw.normal(size=(sites, width))
    features = 2 * of_class[classes] + planted * of_site[site] + draw.normal(size=(count, width))
    return features, site, classes


@given(seed=seeds, sites=st.integers(2, 4), wide=st.sampled_from([3, 200]))
@settings(max_examples=15)
def test_the_closed_form_is_scikit_learns_ridge_classifier(seed, sites, wide) -> None:
    features, site, _ = world(seed, 0.5, 60, sites, wide)
    fold = np.random.default_rng(seed).permutation(60) % 4
    oracle = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1.0))
    expected = cross_val_predict(oracle, features, site, cv=PredefinedSplit(fold))
    assert (RidgeProbe(features, fold).predict(site) == expected).mean() > 0.98  # but for ties


@given(seed=seeds)
@settings(max_examples=10)
def test_a_planted_site_is_found(seed) -> None:
    found = site_probe(*world(seed, 2.0))
    assert found.p_value <= 0.01
    assert found.accuracy > found.chance + 0.05


def test_without_a_planted_site_p_values_are_those_of_chance() -> None:
    """Although class and site are related, and features know the class well."""
    found = [site_probe(*world(seed, 0.0), permutations=99) for seed in range(60)]
    p_values = np.array([one.p_value for one in found])
    assert (p_values <= 0.05).mean() <= 0.15
    assert 0.35 < p_values.mean() < 0.65
    assert np.mean([one.accuracy - one.chance for one in found]) == pytest.approx(0, abs=0.03)
    assert np.mean([one.chance for one in found]) > 0.5  # the class tells that much


def test_patients_are_kept_together() -> None:
    """Features that know the patient alone: a split by image takes that for the site."""
    draw = np.random.default_rng(0)
    patients = np.repeat(np.arange(20), 6)
    site, classes = patients % 2, np.zeros(120, dtype=int)
    features = 3 * draw.normal(size=(20, 30))[patients] + draw.normal(size=(120, 30))
    names = [f"p{number}" for number in patients]
    by_image, by_patient = (
        site_probe(features, site, classes),
        site_probe(features, site, classes, names),
    )
    assert by_image.accuracy > 0.95
    assert by_image.p_value <= 0.01
    assert by_patient.accuracy < 0.8
    assert by_patient.p_value > 0.05
    assert by_patient.grouped
    assert not by_image.grouped


@given(seed=seeds)
def test_a_shuffle_keeps_blocks_and_the_sites_of_each_class(seed) -> None:
    _, site, classes = world(seed, 0.0, 40)
    draw = np.random.default_rng(seed)
    units = draw.integers(12, size=40)
    blocks = block_labels(site, classes, units)
    for block in np.unique(blocks):
        for of_block in (site, classes, units):
            assert len(np.unique(of_block[blocks == block])) == 1
    shuffled = shuffle_within(site, classes, blocks, draw)
    for block in np.unique(blocks):
        assert len(np.unique(shuffled[blocks == block])) == 1
    first = np.unique(blocks, return_index=True)[1]
    for one in np.unique(classes):
        rows = first[classes[first] == one]
        assert sorted(shuffled[rows]) == sorted(site[rows])


def test_classes_are_told_apart_and_make_up_the_whole() -> None:
    draw = np.random.default_rng(0)
    classes, site = draw.integers(3, size=120), draw.integers(2, size=120)
    planted = 4 * (site - 0.5) * (classes == 0)  # the first class alone wears its site
    features = planted[:, None] + draw.normal(size=(120, 4))
    found = site_probe(features, site, classes)
    assert [one.class_index for one in found.by_class] == [0, 1, 2]
    assert [one.images for one in found.by_class] == np.bincount(classes).tolist()
    share = [one.images / len(classes) for one in found.by_class]
    for name in ("accuracy", "chance"):
        parts = [getattr(one, name) for one in found.by_class]
        assert np.dot(share, parts) == pytest.approx(getattr(found, name))
    gains = [one.accuracy - one.chance for one in found.by_class]
    assert gains[0] > max(gains[1:]) + 0.1


def test_the_same_seed_gives_the_same_probe() -> None:
    case = world(3, 0.4)
    assert site_probe(*case, seed=5) == site_probe(*case, seed=5)


def test_kernel_test_finds_what_is_planted_and_not_more() -> None:
    pytest.importorskip("causallearn")
    planted = [kernel_independence(*world(seed, 2.0, 90)).p_value for seed in range(5)]
    assert max(planted) < 0.05
    absent = [kernel_independence(*world(seed, 0.0, 90)).p_value for seed in range(12)]
    assert np.median(absent) > 0.1


def test_kernel_test_sees_what_no_line_can() -> None:
    """Site tells how far from the middle features lie, in no direction."""
    pytest.importorskip("causallearn")
    draw = np.random.default_rng(0)
    site = draw.integers(2, size=160)
    features = draw.normal(size=(160, 3)) * np.where(site, 3.0, 1.0)[:, None]
    one_class = np.zeros(160, dtype=int)
    assert site_probe(features, site, one_class, permutations=99).p_value > 0.05
    assert kernel_independence(features, site, one_class).p_value < 0.01


def test_constant_features_know_nothing() -> None:
    pytest.importorskip("causallearn")
    _, site, classes = world(0, 0.0, 30)
    assert kernel_independence(np.ones((30, 4)), site, classes).p_value == 1
    assert site_probe(np.ones((30, 4)), site, classes, folds=3).p_value > 0.05


def test_without_causal_learn_the_way_out_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "causallearn.utils.KCI.KCI", None)
    with pytest.raises(ConfigurationError, match=r'pip install "deconfound\[diagnostics\]"'):
        kernel_independence(*world(0, 0.0, 20))


def test_bad_input() -> None:
    features, site, classes = world(0, 0.0, 20)
    with pytest.raises(DataError, match="expected images of two sites or more, found one"):
        site_probe(features, site * 0, classes)
    with pytest.raises(DataError, match=r"features \(n, d\) with n sites and n classes"):
        site_probe(features, site[:3], classes)
    with pytest.raises(DataError, match="5 folds and a site with 1"):
        site_probe(features, np.eye(20, dtype=int)[0], classes)
