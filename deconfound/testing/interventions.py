"""What every intervention layer promises."""

from __future__ import annotations

import json

import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.interventions import HasEffects, InterventionLayer, interventions
from deconfound.testing.strategies import DIM, confounders, inherited, regions
from deconfound.types import Confounders, Regions


class InterventionLayerContract:
    """Subclass and define ``make``; every test of this class then runs on your layer.

    Attributes:
        tolerance: how far two floating-point routes to the same number may lie apart.
    """

    tolerance = 1e-5

    def make(self, dim: int) -> InterventionLayer:
        """Build the layer under test for regions that are ``dim`` wide."""
        raise NotImplementedError("define make(self, dim) -> InterventionLayer in your test class")

    def layer(self) -> InterventionLayer:
        """Build the layer with every parameter drawn at random, so that no zero hides a fault."""
        layer, g = self.make(DIM).eval(), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=g))
        return layer

    def close(self, a: torch.Tensor, b: torch.Tensor) -> None:
        """Assert equality within the tolerance."""
        torch.testing.assert_close(a, b, atol=self.tolerance, rtol=self.tolerance)

    @inherited
    @given(f=regions(), z=confounders())
    def test_shapes(self, f: Regions, z: Confounders) -> None:
        """Features keep their shape; weights are (B, N, M)."""
        out = self.layer()(f, z)
        assert out.features.shape == f.features.shape
        assert out.weights.shape == (*f.index.shape, len(z.names))
        assert torch.isfinite(out.features).all()

    @inherited
    @given(f=regions(), z=confounders())
    def test_weights_are_a_distribution(self, f: Regions, z: Confounders) -> None:
        """Non-negative, and one in sum over the confounders."""
        weights = self.layer()(f, z).weights
        assert (weights >= 0).all()
        self.close(weights.sum(dim=-1), torch.ones(f.index.shape))

    @inherited
    @given(f=regions(), z=confounders(), data=st.data())
    def test_the_order_of_confounders_means_nothing(
        self, f: Regions, z: Confounders, data: st.DataObject
    ) -> None:
        """Permuting the dictionary permutes the weights and leaves the features."""
        order = data.draw(st.permutations(range(len(z.names))))
        permuted = Confounders(
            z.embeddings[order], z.prior[order], tuple(z.names[m] for m in order)
        )
        layer = self.layer()
        before, after = layer(f, z), layer(f, permuted)
        self.close(after.features, before.features)
        self.close(after.weights, before.weights[..., order])

    @inherited
    @given(f=regions(), z=confounders())
    def test_a_duplicate_is_a_doubled_prior(self, f: Regions, z: Confounders) -> None:
        """Saying a confounder twice at half its prior changes nothing."""
        halved = z.prior.clone()
        halved[0] /= 2
        twice = Confounders(
            torch.cat([z.embeddings, z.embeddings[:1]]),
            torch.cat([halved, halved[:1]]),
            (*z.names, "again"),
        )
        layer = self.layer()
        self.close(layer(f, twice).features, layer(f, z).features)

    @inherited
    @given(f=regions(), z=confounders())
    def test_a_batch_equals_its_items(self, f: Regions, z: Confounders) -> None:
        """No image looks at its neighbours in the batch."""
        layer = self.layer()
        together = layer(f, z).features
        for i in range(len(f.features)):
            alone = Regions(f.features[i : i + 1], f.index[i : i + 1])
            self.close(layer(alone, z).features[0], together[i])

    @inherited
    @given(f=regions(), z=confounders())
    def test_gradients_reach_every_parameter_and_the_regions(
        self, f: Regions, z: Confounders
    ) -> None:
        """Nothing is cut off from the loss, and nothing becomes nan."""
        features = f.features.clone().requires_grad_()
        layer = self.layer()
        layer(Regions(features, f.index), z).features.square().sum().backward()
        assert features.grad is not None
        assert torch.isfinite(features.grad).all()
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, f"no gradient reaches {name}"
            assert torch.isfinite(parameter.grad).all(), name

    def test_it_can_be_built_again_from_its_options(self) -> None:
        """A saved model finds the layer by its name and options, and fills it."""
        layer = self.layer()
        spec = {"name": interventions.name_of(layer), **layer.options()}
        again = interventions.build(json.loads(json.dumps(spec)), dim=DIM).eval()
        again.load_state_dict(layer.state_dict())
        z = Confounders(torch.randn(3, DIM), torch.full((3,), 1 / 3), ("a", "b", "c"))
        f = Regions(torch.randn(1, 4, DIM), torch.arange(4)[None])
        assert torch.equal(again(f, z).features, layer(f, z).features)

    @inherited
    @given(f=regions(), z=confounders())
    def test_declared_effects_have_their_shape(self, f: Regions, z: Confounders) -> None:
        """A layer that declares per-confounder effects gives (B, M, N, d)."""
        layer = self.layer()
        if isinstance(layer, HasEffects):
            batch, count, dim = f.features.shape
            assert layer.effects(f, z).shape == (batch, len(z.names), count, dim)
