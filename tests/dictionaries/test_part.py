"""A part of a dictionary is the dictionary that would be there without the rest."""

from __future__ import annotations

import torch
from hypothesis import assume, given

from deconfound import TextPromptDictionary
from deconfound.dictionaries.part import part_of
from deconfound.testing.strategies import confounders
from deconfound.types import Confounders


@given(z=confounders())
def test_a_part_of_a_centred_dictionary_is_centred_on_its_own_mean(z: Confounders) -> None:
    assume(len(z.names) > 2)
    rows = range(len(z.names) - 1)
    whole = TextPromptDictionary(z.names, z.embeddings, z.prior, centre=True)()
    fewer = (z.names[:-1], z.embeddings[:-1], z.prior[:-1])
    expected = TextPromptDictionary(*fewer, centre=True)()
    found = part_of(whole, rows)
    assert found is not None
    torch.testing.assert_close(found.embeddings, expected.embeddings, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.prior, expected.prior)


@given(z=confounders())
def test_the_rows_of_another_stay_as_they_are(z: Confounders) -> None:
    found = part_of(z, [0])
    assert found is not None
    assert torch.equal(found.embeddings, z.embeddings[:1])
    assert found.names == z.names[:1]


def test_a_part_that_never_occurs_is_none() -> None:
    z = Confounders(torch.eye(2), torch.tensor([1.0, 0.0]), ("fog", "rain"))
    assert part_of(z, [1]) is None
    assert part_of(z, []) is None
