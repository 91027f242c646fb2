"""All in one call: it holds what the single diagnostics say, and None where nothing can be said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset

from deconfound.diagnostics import Batch, attention_divergence, take_evenly, what_was_used
from deconfound.diagnostics.summary import CLOSE_LOOK
from deconfound.errors import DataError
from deconfound.simulation import SITES, RenderedSite

NAMES = tuple(site.name for site in SITES[:3])


@pytest.fixture(scope="module")
def source() -> ConcatDataset:
    return ConcatDataset(
        [RenderedSite(site, 32, 12, site_index=i) for i, site in enumerate(SITES[:3])]
    )


@pytest.fixture(scope="module")
def batch(source) -> Batch:
    groups = [f"{i // 2}" for i in range(36)]
    return take_evenly(source, NAMES, 30, groups)


def test_everything_is_there_for_a_layer_with_effects(build, batch) -> None:
    model = build()
    used = what_was_used(model, batch)
    assert used.images == 30
    assert used.names == used.prompts == tuple(one.text for one in model.pack.confounders)
    with torch.no_grad():
        traced = model.trace(model.normalize(batch.images))
    expected = attention_divergence(traced.intervened.weights, model.dictionary().prior)
    assert used.attention is not None
    torch.testing.assert_close(used.attention.per_region, expected.per_region, atol=1e-5, rtol=1e-4)
    assert used.leave_out is not None
    assert used.leave_out.change.shape == (12, CLOSE_LOOK, 32, 32)
    assert used.counterfactual is not None
    assert used.counterfactual.probabilities.shape == (12, CLOSE_LOOK, 1, 32, 32)
    assert used.close.shape == (CLOSE_LOOK, 3, 32, 32)
    assert used.posterior.images.tolist() == [10, 10, 10]
    assert used.probe is not None
    assert used.probe.grouped
    assert used.done is None
    assert used.health.names == model.dictionary().names


def test_what_cannot_be_said_is_none(build, batch) -> None:
    one_site = replace(batch, site_index=torch.zeros(30, dtype=torch.long))
    used = what_was_used(build("cross_attention"), one_site)
    assert used.counterfactual is None
    assert used.probe is used.probe_before is used.kernel is None
    assert used.attention is not None
    passing_by = build()
    passing_by.intervening = False
    assert what_was_used(passing_by, batch).attention is None
    alone = build(dictionary={"name": "text"}, pack=_pack_of_one(passing_by.pack))
    assert what_was_used(alone, batch).leave_out is None
    alone = build(dictionary={"name": "text", "centre": True}, pack=alone.pack)
    assert what_was_used(alone, batch).health is None


def test_two_images_are_enough_to_ask(build, batch) -> None:
    rows = [0, 29]
    two = Batch(batch.images[rows], batch.class_index[rows], batch.site_index[rows], NAMES)
    used = what_was_used(build(), two)
    assert used.agreement == ()
    assert used.probe is used.kernel is None
    assert used.leave_out is not None


def _pack_of_one(pack):
    mapping = pack.to_mapping()
    mapping["groups"] = mapping["groups"][:1]
    mapping["groups"][0]["confounders"] = mapping["groups"][0]["confounders"][:1]
    return type(pack).from_mapping(mapping)


def test_every_cell_is_there_and_warned_of_where_it_is_thin(build, batch) -> None:
    used = what_was_used(build(), batch)
    assert used.cells is not None
    assert used.cells.names == used.prompts
    assert used.cells.images.sum() == 30
    assert int(used.cells.thin.sum()) == len(used.overlap)


def test_a_kernel_test_that_could_not_be_made_is_not_passed_over(build, batch, monkeypatch) -> None:
    each = replace(batch, groups=None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    used = what_was_used(build(), each)
    assert used.kernel is None
    assert used.kernel_missing
    two = replace(each, site_index=torch.zeros(30, dtype=torch.long))
    assert not what_was_used(build(), two).kernel_missing  # nothing to ask, with it or without


def test_overlap_is_a_matter_of_the_images_of_training(build, batch) -> None:
    """The held-out site may fill the very cells that training lacked."""
    model = build()
    one_class = replace(batch, class_index=torch.full((30,), 2))
    used = what_was_used(model, batch, trained_on=one_class)
    assert used.trained_on == 30
    assert used.cells is not None
    assert used.cells.images.tolist() == [0, 0, 30, 0, 0]
    assert {cell.class_name for cell in used.overlap} <= {model.pack.class_names[2]}
    without = what_was_used(model, batch)
    assert without.trained_on == 0
    assert without.posterior.images.tolist() == used.posterior.images.tolist()


def test_done_on_images(build, batch) -> None:
    model = build("cross_attention")
    used = what_was_used(model, batch, do={3: torch.clone, 1: torch.clone})
    assert used.done is not None
    assert used.done.names == tuple(model.pack.confounders[m].text for m in (1, 3))
    assert used.done.spread.max() == 0


def test_where_nothing_can_be_drawn_features_answer(build, batch) -> None:
    """Pictures that stay as they are would say that the model adjusts."""
    used = what_was_used(build("film"), batch, do={})
    assert used.done is None
    assert used.counterfactual is not None


@given(limit=st.integers(1, 40))
def test_sites_share_the_images_evenly(source, limit) -> None:
    taken = take_evenly(source, NAMES, limit)
    counts = np.bincount(taken.site_index, minlength=3)
    assert counts.sum() == min(limit, 36)
    assert counts.max() - counts.min() <= 1
    assert len({image.sum().item() for image in taken.images}) == len(taken.images)


def test_a_site_with_few_images_gives_them_all(source) -> None:
    short = torch.utils.data.Subset(source, [*range(12), 12, 13, *range(24, 36)])
    taken = take_evenly(short, NAMES, 14, [str(i) for i in range(26)])
    assert np.bincount(taken.site_index).tolist() == [6, 2, 6]
    assert taken.groups is not None
    assert taken.groups[:2] == ("0", "2")


def test_a_large_source_is_not_read_through() -> None:
    class Counting:
        asked = 0

        def __len__(self) -> int:
            return 100_000

        def __getitem__(self, index: int) -> dict:
            self.asked += 1
            return {"image": torch.zeros(3, 4, 4), "class_index": 0, "site_index": 0}

    counting = Counting()
    assert len(take_evenly(counting, ("A",), 10).images) == 10
    assert counting.asked <= 100


def test_bad_input(source, batch) -> None:
    with pytest.raises(DataError, match="expected one or more, found 36 and a limit of 0"):
        take_evenly(source, NAMES, 0)
    with pytest.raises(DataError, match="with n classes, sites and groups"):
        replace(batch, class_index=torch.zeros(3, dtype=torch.long))
