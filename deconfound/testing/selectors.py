"""What every region selector promises."""

from __future__ import annotations

import torch
from hypothesis import given
from torch import Tensor

from deconfound.selectors import RegionSelector, gather, scatter, selectors
from deconfound.testing.strategies import class_embeddings, dense_maps, inherited


class RegionSelectorContract:
    """Subclass and define ``make``; every test of this class then runs on your selector."""

    def make(self) -> RegionSelector:
        """Build the selector under test."""
        raise NotImplementedError("define make(self) -> RegionSelector in your test class")

    @inherited
    @given(dense=dense_maps(), text=class_embeddings())
    def test_shapes(self, dense: Tensor, text: Tensor) -> None:
        """Features are (B, N, d), the index (B, N) int64 within the grid."""
        found = self.make()(dense, text)
        batch, dim, height, width = dense.shape
        num_regions = found.index.shape[1]
        assert found.features.shape == (batch, num_regions, dim)
        assert found.index.shape == (batch, num_regions)
        assert found.index.dtype == torch.int64
        assert 1 <= num_regions <= height * width
        assert found.index.min() >= 0
        assert found.index.max() < height * width

    @inherited
    @given(dense=dense_maps(), text=class_embeddings())
    def test_number_of_regions_depends_on_the_grid_alone(self, dense: Tensor, text: Tensor) -> None:
        """N is static: other values on the same grid give as many regions."""
        selector = self.make()
        assert selector(dense, text).index.shape == selector(dense * 0, text).index.shape

    @inherited
    @given(dense=dense_maps(), text=class_embeddings())
    def test_features_are_rows_of_the_map(self, dense: Tensor, text: Tensor) -> None:
        """Selecting changes no value and takes no location twice."""
        found = self.make()(dense, text)
        assert torch.equal(found.features, gather(dense, found.index).features)
        assert all(len(set(row)) == len(row) for row in found.index.tolist())

    @inherited
    @given(dense=dense_maps(), text=class_embeddings())
    def test_scattering_back_restores_the_map(self, dense: Tensor, text: Tensor) -> None:
        """What is put back unchanged changes nothing."""
        found = self.make()(dense, text)
        assert torch.equal(scatter(dense, found.index, found.features), dense)

    @inherited
    @given(dense=dense_maps(), text=class_embeddings())
    def test_a_batch_equals_its_items(self, dense: Tensor, text: Tensor) -> None:
        """No image looks at its neighbours in the batch."""
        selector = self.make()
        together = selector(dense, text)
        for i in range(len(dense)):
            alone = selector(dense[i : i + 1], text)
            assert torch.equal(alone.index[0], together.index[i])

    def test_it_can_be_built_again_from_its_options(self) -> None:
        """A saved model finds the selector by its name and options."""
        selector = self.make()
        again = selectors.build({"name": selectors.name_of(selector), **selector.options()})
        dense, text = torch.randn(2, 8, 5, 4), torch.randn(3, 8)
        assert torch.equal(again(dense, text).index, selector(dense, text).index)
