"""The text dictionary: shapes, priors, centring."""

from __future__ import annotations

import pytest
import torch

from deconfound.dictionaries import ConfounderDictionary, TextPromptDictionary
from deconfound.dictionaries.prior import as_prior
from deconfound.errors import ConfigurationError, ShapeError
from deconfound.testing import ConfounderDictionaryContract

NAMES = ("blur", "blood", "nbi")


class TestTextPromptDictionary(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        embeddings = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
        return TextPromptDictionary(NAMES, embeddings, prior=[1, 2, 1])


class TestCentred(ConfounderDictionaryContract):
    def make(self) -> ConfounderDictionary:
        embeddings = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
        return TextPromptDictionary(NAMES, embeddings, centre=True)


def test_centring_removes_the_mean_under_the_prior() -> None:
    dictionary = TextPromptDictionary(NAMES, torch.randn(3, 8), prior=[1, 2, 3], centre=True)
    z = dictionary()
    torch.testing.assert_close(z.prior @ z.embeddings, torch.zeros(8), atol=1e-6, rtol=0)


def test_centring_restores_contrast_between_nearly_parallel_prompts() -> None:
    nearly = torch.nn.functional.normalize(torch.ones(3, 64) + 0.1 * torch.randn(3, 64), dim=-1)
    plain, centred = (TextPromptDictionary(NAMES, nearly, centre=c)().embeddings for c in (0, 1))
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(plain[0], plain[1], dim=0) > 0.9
    assert cosine(centred[0], centred[1], dim=0) < 0.5


def test_the_prior_is_normalised_and_uniform_by_default() -> None:
    assert TextPromptDictionary(NAMES, torch.randn(3, 4))().prior.tolist() == pytest.approx(
        [1 / 3] * 3
    )
    weighted = TextPromptDictionary(NAMES, torch.randn(3, 4), prior=[2, 1, 1])
    assert weighted().prior.tolist() == pytest.approx([0.5, 0.25, 0.25])
    weighted.weigh([1, 1, 2])
    assert weighted().prior.tolist() == pytest.approx([0.25, 0.25, 0.5])
    with pytest.raises(ConfigurationError, match="expected 3 numbers"):
        weighted.weigh([1, 1])


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([1, 2], "expected 3 numbers, one per confounder, found 2"),
        ([0, 0, 0], "not all zero"),
        ([1, -1, 1], "non-negative"),
        ([1, float("nan"), 1], "finite"),
    ],
)
def test_a_prior_that_is_no_distribution(prior: list[float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TextPromptDictionary(NAMES, torch.randn(3, 4), prior=prior)


@pytest.mark.parametrize("shape", [(2, 4), (3,), (3, 0)])
def test_embeddings_of_the_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected embeddings of shape \(3, d\)"):
        TextPromptDictionary(NAMES, torch.randn(*shape))


@pytest.mark.parametrize("count", range(1, 50))
def test_a_prior_that_is_given_again_is_the_same_bit_for_bit(count) -> None:
    """Or a model that is trained again with its own dictionary is not quite the model."""
    names = [f"z{m}" for m in range(count)]
    drawn = torch.rand(count, generator=torch.Generator().manual_seed(count)) + 0.01
    for values in (None, drawn):
        prior = as_prior(values, names)
        assert torch.equal(as_prior(prior, names), prior)
