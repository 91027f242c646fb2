"""Readings against measurements: an oracle's numbers, and what mini means by dark."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from deconfound import PromptPack
from deconfound.diagnostics import agreement, agreements, measure, readings, statistic_for
from deconfound.diagnostics.agreement import WORDS
from deconfound.diagnostics.measured import STATISTICS
from deconfound.errors import DataError
from deconfound.prompts import PromptEmbeddings
from deconfound.simulation import SITES, RenderedSite
from deconfound.testing.strategies import seeds
from deconfound.vlm import load


@given(seed=seeds, count=st.integers(8, 60), sign=st.sampled_from([1, -1]), ties=st.booleans())
def test_against_scipy_and_scikit_learn(seed, count, sign, ties) -> None:
    draw = np.random.default_rng(seed)
    reading, values = draw.normal(size=count), draw.normal(size=count)
    reading = reading.round() if ties else reading
    found = agreement(reading, values, "dark", "luminance", sign, draws=20)
    if len(np.unique(reading)) == 1:
        assert np.isnan(found.spearman)
        return
    assert found.spearman == pytest.approx(spearmanr(reading, sign * values).statistic)
    high = sign * values > np.median(sign * values)
    assert found.auc == pytest.approx(roc_auc_score(high, reading))


@given(seed=seeds)
def test_a_monotone_reading_agrees_wholly_and_its_negative_not_at_all(seed) -> None:
    values = np.random.default_rng(seed).normal(size=30)
    whole = agreement(np.exp(values), values, "bright", "luminance", 1, draws=50)
    assert (whole.spearman, whole.auc) == pytest.approx((1, 1))
    assert whole.auc_interval == pytest.approx((1, 1))
    reverse = agreement(np.exp(values), values, "dark", "luminance", -1, draws=50)
    assert (reverse.spearman, reverse.auc) == pytest.approx((-1, 0))


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Of bivariate normals with correlation r, Spearman's is 6/π arcsin(r/2)."""
    r, covered = 0.6, 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        a, b = draw.normal(size=80), draw.normal(size=80)
        found = agreement(a, r * a + np.sqrt(1 - r**2) * b, "x", "y", draws=200, seed=seed)
        low, high = found.spearman_interval
        covered += low <= 6 / np.pi * np.arcsin(r / 2) <= high
    assert 86 <= covered <= 100


@settings(max_examples=10)
@given(seed=seeds)
def test_the_reading_is_the_cosine_above_its_mean(seed) -> None:
    g = torch.Generator().manual_seed(seed)
    pooled, prompts = torch.randn(5, 8, generator=g), torch.randn(3, 8, generator=g)
    found = readings(4 * pooled, 0.5 * prompts)
    cosines = torch.cosine_similarity(pooled[:, None], prompts[None], dim=-1).numpy()
    np.testing.assert_allclose(found, cosines - cosines.mean(axis=1, keepdims=True), atol=1e-6)


def test_words_are_found_where_they_begin() -> None:
    assert statistic_for("dark illumination") == ("luminance", -1)
    assert statistic_for("Blurred by motion") == ("sharpness", -1)
    assert statistic_for("uneven, bright lighting") == ("unevenness", 1)
    assert statistic_for("a far view") is None
    assert statistic_for("undimmed") is None
    assert {name for name, _ in WORDS.values()} <= set(STATISTICS)
    pack = PromptPack.load("endoscopy")
    assert sum(statistic_for(one.text) is not None for one in pack.confounders) == 7


@pytest.fixture(scope="module")
def seen_by_mini():
    """Sixty renders of three sites, what mini reads in them, and what is measured."""
    vlm = load("mini")
    pack = PromptPack.load("endoscopy")
    sites = [RenderedSite(site, size=64, length=30, seed=5) for site in SITES[:4]]
    images = torch.stack([site[i]["image"] for site in sites for i in range(30)])
    with torch.no_grad():
        pooled = vlm.tower(vlm.tower.normalize(images)).pooled
    prompts = PromptEmbeddings(pack, vlm.encode_text)
    texts = [one.text for one in pack.confounders]
    return readings(pooled, prompts.confounders), measure(images), texts


@pytest.mark.parametrize("prompt", ["dark illumination", "bright illumination", "blur"])
def test_dark_means_dark_to_mini(seen_by_mini, prompt) -> None:
    found = {one.confounder: one for one in agreements(*seen_by_mini)}
    assert found[prompt].auc_interval[0] > 0.5
    assert found[prompt].spearman_interval[0] > 0


def test_a_prompt_that_reads_something_else_is_not_mistaken_for_dark(seen_by_mini) -> None:
    reading, measured, texts = seen_by_mini
    bright = texts.index("bright illumination")
    wrong = agreement(reading[:, bright], measured["luminance"], "dark", "luminance", -1)
    assert wrong.auc_interval[1] < 0.5


def test_bad_input() -> None:
    with pytest.raises(DataError, match="as many readings as values, 3 or more"):
        agreement(np.ones(2), np.ones(2), "dark", "luminance")
    with pytest.raises(DataError, match="agreement on 'dark'"):
        agreement(np.ones(5), np.ones(4), "dark", "luminance")
