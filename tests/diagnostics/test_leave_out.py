"""Leave-out: nothing for a model that does not look at its dictionary, the retold model else."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound import TextPromptDictionary
from deconfound.diagnostics import leave_out
from deconfound.diagnostics.leave_out import without
from deconfound.errors import ConfigurationError
from deconfound.overlap import predicted_mask
from deconfound.testing.strategies import confounders
from deconfound.types import Confounders


def test_a_model_that_ignores_its_dictionary_does_not_move(build, images) -> None:
    found = leave_out(build("identity"), images)
    assert found.change.shape == (12, 4, 32, 32)
    assert not found.change.any()
    assert not found.changed.any()


@pytest.mark.parametrize("layer", ["cross_attention", "film", "gated_mlp"])
def test_a_model_that_uses_it_moves_for_every_confounder(build, images, layer) -> None:
    found = leave_out(build(layer), images)
    assert (found.mean_change > 0).all()


@pytest.mark.parametrize("centre", [False, True])
def test_it_is_the_model_made_anew_without_the_prompt(build, images, centre) -> None:
    model = build(dictionary={"name": "text", "centre": centre})
    found = leave_out(model, images)
    z = model.dictionary
    kept = [m for m in range(12) if m != 3]
    fewer = copy.deepcopy(model)
    fewer.dictionary = TextPromptDictionary(
        [z.names[m] for m in kept], z.embeddings[kept], z.prior[kept], centre=centre
    )
    with torch.no_grad():
        rest, whole = (one(one.normalize(images)) for one in (fewer, model))
    expected = (rest - whole).abs().mean(dim=1)
    torch.testing.assert_close(found.change[3], expected, atol=1e-5, rtol=1e-4)
    share = (predicted_mask(rest) != predicted_mask(whole)).double().mean(dim=(1, 2))
    torch.testing.assert_close(found.changed[3], share, atol=0.005, rtol=0)


def test_the_model_is_left_as_it_was_found(build, images) -> None:
    model = build()
    before, parts = model(images), (model.dictionary, model.tower)
    leave_out(model, images)
    assert (model.dictionary, model.tower) == parts
    assert torch.equal(model(images), before)


def test_the_model_is_left_as_it_was_found_after_an_error(build) -> None:
    model = build()
    tower, dictionary = model.tower, model.dictionary
    with pytest.raises(RuntimeError):
        leave_out(model, torch.rand(1, 5, 32, 32))
    assert model.tower is tower
    assert model.dictionary is dictionary


@given(z=confounders(), data=st.data())
def test_the_prior_of_the_rest_keeps_its_proportions(z, data) -> None:
    m = data.draw(st.integers(0, len(z.names) - 1))
    if len(z.names) == 1:
        with pytest.raises(ConfigurationError, match="name more confounders"):
            without(z, m)
        return
    rest = without(z, m)
    kept = [i for i in range(len(z.names)) if i != m]
    assert rest.prior.sum() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(rest.prior * z.prior[kept].sum(), z.prior[kept])
    assert torch.equal(rest.embeddings, z.embeddings[kept])


def test_a_confounder_with_all_of_the_prior_cannot_be_left_out() -> None:
    z = Confounders(torch.eye(2), torch.tensor([1.0, 0.0]), ("fog", "rain"))
    with pytest.raises(ConfigurationError, match="with a prior beside 'fog'"):
        without(z, 0)
