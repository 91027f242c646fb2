"""P(z) read in the training images: what it is, and in which dictionaries it can be put."""

from __future__ import annotations

import pytest
import torch

from deconfound.errors import ConfigurationError
from deconfound.training.adjusting import read
from deconfound.training.priors import fit_prior
from tests.training.test_fitting import images, model


def test_read_under_it_the_images_show_each_confounder_as_often_as_it_says() -> None:
    """The fixed point of EM, which no other prior that leaves every confounder a chance is."""
    one, seen = model(), images()
    before, _ = read(one, seen)
    told: list[tuple[int, int]] = []
    prior = fit_prior(one, seen, lambda *where: told.append(where))
    after, _ = read(one, seen)
    assert told[-1] == (20, 20)
    assert torch.equal(one.dictionary().prior, prior)
    torch.testing.assert_close(after.mean(dim=0), prior, atol=1e-4, rtol=0)
    assert (before.mean(dim=0) - 1 / 12).abs().max() > 1e-4  # as it was not under the uniform one


def test_images_alike_another_time_give_the_same_prior() -> None:
    first, again = model(), model()
    trained_on = images(augmented=True)
    trained_on.set_epoch(5)
    assert torch.equal(fit_prior(first, images(augmented=True)), fit_prior(again, trained_on))


@pytest.mark.parametrize("dictionary", ["kmeans", "learned"])
def test_rows_that_name_nothing_have_none(dictionary) -> None:
    with pytest.raises(ConfigurationError, match="expected a dictionary of text"):
        fit_prior(model(dictionary=dictionary), images())
