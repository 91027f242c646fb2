"""Posterior by site and overlap: plain averages, and every empty cell found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.diagnostics import class_overlap, site_posterior
from deconfound.errors import ConfigurationError, ShapeError
from deconfound.testing.strategies import seeds

SITES, CLASSES, NAMES = ("A", "B", "C"), ("polyp", "cyst"), ("dark", "bright", "blur")


def a_posterior(count: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, generator=g, dtype=torch.float64).log().neg().softmax(dim=1)


@given(seed=seeds, count=st.integers(3, 30))
def test_rows_are_the_means_of_their_images(seed, count) -> None:
    posterior = a_posterior(count, seed)
    site = torch.arange(count) % 3
    found = site_posterior(posterior, site, SITES, NAMES)
    for s in range(3):
        expected = posterior.numpy()[site.numpy() == s].mean(axis=0)
        np.testing.assert_allclose(found.posterior[s], expected)
    torch.testing.assert_close(found.posterior.sum(dim=1), torch.ones(3).double())
    assert found.images.tolist() == np.bincount(site).tolist()


def test_a_site_without_images_has_no_posterior() -> None:
    found = site_posterior(torch.eye(3), torch.tensor([0, 0, 2]), SITES, NAMES)
    assert found.posterior[1].isnan().all()
    assert not found.posterior[[0, 2]].isnan().any()


@given(data=st.data(), repeats=st.integers(6, 12))
def test_exactly_the_planted_empty_cells_are_found(data, repeats) -> None:
    """Hard posteriors of a table in which some cells hold nothing and the others enough."""
    cells = [(k, m) for k in range(2) for m in range(3)]
    empty = data.draw(st.sets(st.sampled_from(cells), max_size=4))
    empty = {cell for cell in empty if sum(c[0] == cell[0] for c in empty) < 3}
    full = [cell for cell in cells if cell not in empty for _ in range(repeats)]
    posterior = torch.eye(3)[[m for _, m in full]]
    classes = torch.tensor([k for k, _ in full])
    prior = torch.ones(3) / 3
    found = class_overlap(posterior, classes, CLASSES, NAMES, prior, fewest=1).warnings
    assert {(one.class_name, one.confounder) for one in found} == {
        (CLASSES[k], NAMES[m]) for k, m in empty
    }
    for one in found:
        assert one.found == 0
        images = sum(CLASSES[k] == one.class_name for k, _ in full)
        assert one.expected == pytest.approx(images / 3)


def test_cells_are_judged_against_the_prior_and_the_emptiest_comes_first() -> None:
    posterior = torch.tensor([[0.9, 0.1, 0.0]]).expand(100, 3)
    classes, uniform = torch.zeros(100, dtype=torch.long), torch.ones(3) / 3
    found = class_overlap(posterior, classes, CLASSES, NAMES, uniform, least=0.5).warnings
    assert [one.confounder for one in found] == ["blur", "bright"]
    assert str(found[1]) == "polyp under bright: expected about 33.3 images, found 10.0"
    fitting = torch.tensor([0.9, 0.1, 0.0])
    assert class_overlap(posterior, classes, CLASSES, NAMES, fitting, least=0.5).warnings == ()


def test_cells_too_rare_to_judge_and_unknown_classes_are_left_out() -> None:
    posterior, uniform = torch.eye(3)[:1].expand(8, 3), torch.ones(3) / 3
    polyps = torch.zeros(8, dtype=torch.long)
    assert class_overlap(posterior, polyps, CLASSES, NAMES, uniform).warnings == ()
    assert len(class_overlap(posterior, polyps, CLASSES, NAMES, uniform, fewest=2).warnings) == 2
    assert class_overlap(posterior, polyps - 1, CLASSES, NAMES, uniform, fewest=0).warnings == ()


@given(seed=seeds, count=st.integers(0, 40))
def test_every_cell_is_there_and_the_thin_ones_are_those_that_are_warned_of(seed, count) -> None:
    posterior, uniform = a_posterior(count, seed) ** 4, torch.ones(3) / 3
    classes = torch.from_numpy(np.random.default_rng(seed).integers(-1, 2, count))
    asked = (posterior, classes, CLASSES, NAMES, uniform, 0.6, 1.0)
    found = class_overlap(*asked)
    for k in range(2):
        of_class = posterior.numpy()[classes.numpy() == k]
        np.testing.assert_allclose(found.found[k], of_class.sum(axis=0))
        np.testing.assert_allclose(found.expected[k], len(of_class) / 3)
        assert found.images[k] == len(of_class)
        assert found.judged[k].all() == (len(of_class) >= 3)
    warned = {(one.class_name, one.confounder) for one in class_overlap(*asked).warnings}
    assert warned == {(CLASSES[k], NAMES[m]) for k, m in found.thin.nonzero().tolist()}


def test_bad_input() -> None:
    good, index, prior = torch.eye(3), torch.tensor([0, 1, 0]), torch.ones(3) / 3
    with pytest.raises(ShapeError, match=r"expected \(3, 2\), one row for each site"):
        site_posterior(good, index, SITES, NAMES[:2])
    with pytest.raises(ConfigurationError, match="expected site indices from 0 to 0, found 0 to 1"):
        site_posterior(good, index, SITES[:1], NAMES)
    with pytest.raises(ConfigurationError, match=r"a share in \(0, 1\], found 0"):
        class_overlap(good, index, CLASSES, NAMES, prior, least=0)
