"""What every confounder dictionary promises."""

from __future__ import annotations

import json

import torch

from deconfound.dictionaries import ConfounderDictionary, dictionaries


class ConfounderDictionaryContract:
    """Subclass and define ``make``; every test of this class then runs on your dictionary."""

    def make(self) -> ConfounderDictionary:
        """Build the dictionary under test."""
        raise NotImplementedError("define make(self) -> ConfounderDictionary in your test class")

    def test_one_row_one_prior_one_name_each(self) -> None:
        """Embeddings are (M, d), the prior (M,), and there are M names."""
        z = self.make()()
        count = len(z.names)
        assert z.embeddings.ndim == 2
        assert len(z.embeddings) == count
        assert z.prior.shape == (count,)
        assert torch.isfinite(z.embeddings).all()

    def test_the_prior_is_a_distribution(self) -> None:
        """P(z) is non-negative and sums to one."""
        prior = self.make()().prior
        assert (prior >= 0).all()
        torch.testing.assert_close(prior.sum(), torch.ones(()))

    def test_names_are_distinct(self) -> None:
        """Two confounders never share a name."""
        names = self.make()().names
        assert len(set(names)) == len(names)

    def test_it_can_be_built_again_from_its_options(self) -> None:
        """A saved model finds the dictionary by its name and options, and fills it."""
        dictionary = self.make()
        spec = {"name": dictionaries.name_of(dictionary), **dictionary.options()}
        again = dictionaries.build(json.loads(json.dumps(spec)))
        again.load_state_dict(dictionary.state_dict())
        assert again().names == dictionary().names
        torch.testing.assert_close(again().embeddings, dictionary().embeddings)
        torch.testing.assert_close(again().prior, dictionary().prior)

    def test_it_moves_and_saves_with_the_model(self) -> None:
        """Whatever forward returns follows from the state dict."""
        dictionary = self.make()
        assert dictionary.state_dict(), "expected embeddings and prior as buffers or parameters"
        moved = self.make().double()()
        assert moved.embeddings.dtype == torch.float64
        other = self.make()
        other.load_state_dict({k: v * 0 + 0.5 for k, v in dictionary.state_dict().items()})
        other.load_state_dict(dictionary.state_dict())
        torch.testing.assert_close(other().embeddings, dictionary().embeddings)
        torch.testing.assert_close(other().prior, dictionary().prior)
