"""Ask a model again with one of its parts exchanged, and give the part back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor, nn

from deconfound.dictionaries import ConfounderDictionary
from deconfound.errors import ConfigurationError
from deconfound.estimators.base import average, prior_weights
from deconfound.interventions import HasEffects, InterventionLayer
from deconfound.types import Confounders, Intervened, Regions, VisualFeatures

if TYPE_CHECKING:
    from deconfound.segmenter import CausalSegmenter


@contextmanager
def swapped(model: CausalSegmenter, **parts: nn.Module) -> Iterator[None]:
    """Exchange submodules by name for as long as the block lasts, errors included.

    Args:
        model: whose parts; its weights are untouched.
        parts: ``dictionary=…``, ``intervention=…``, ``tower=…``.
    """
    originals = {name: getattr(model, name) for name in parts}
    try:
        for name, part in parts.items():
            setattr(model, name, part)
        yield
    finally:
        for name, original in originals.items():
            setattr(model, name, original)


class FixedDictionary(ConfounderDictionary):
    """A dictionary that says what it was given, as it was given."""

    def __init__(self, confounders: Confounders) -> None:
        super().__init__()
        self.confounders = confounders

    def forward(self) -> Confounders:
        """Return the given record."""
        return self.confounders


class Only(InterventionLayer):
    """A(f, z_m) of another layer in the place of its sum over z: do(z = z_m) for every region.

    All effects are computed, as what one of them is may depend on the others (`TextTranslation`);
    once, as of one batch of images every m is asked.

    Args:
        layer: an intervention with effects.

    Attributes:
        chosen: m
    """

    def __init__(self, layer: InterventionLayer) -> None:
        super().__init__()
        self.layer = _with_effects(layer)
        self.chosen = 0
        self._effects: Tensor | None = None

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Return the effect of the one confounder, which has all the weight."""
        if self._effects is None:
            self._effects = self.layer.effects(regions, confounders)
        weights = regions.features.new_zeros(*regions.features.shape[:2], len(confounders.names))
        weights[..., self.chosen] = 1
        return Intervened(self._effects[:, self.chosen], weights)


class PriorAverage(InterventionLayer):
    """Σ_m P(z_m) A(f, z_m) of another layer, whatever estimator it has.

    Args:
        layer: an intervention with effects.
    """

    def __init__(self, layer: InterventionLayer) -> None:
        super().__init__()
        self.layer = _with_effects(layer)

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Return the mean effect, which has the prior's weights."""
        effects = self.layer.effects(regions, confounders)
        weights = prior_weights(regions, confounders.prior)
        return Intervened(average(effects, weights, regions.features), weights)


class Remembering(nn.Module):
    """A tower that is asked once: later calls get the first answer, so M questions cost one.

    Args:
        tower: of the model that is asked about one batch of images.
    """

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.answer: VisualFeatures | None = None

    def forward(self, images: Tensor) -> VisualFeatures:
        """Return what the tower said of the first images."""
        if self.answer is None:
            self.answer = self.tower(images)
        return self.answer


def _with_effects(layer: InterventionLayer) -> HasEffects:
    if not isinstance(layer, HasEffects):
        raise ConfigurationError(
            f"do(z = m) in feature space: expected a layer with `effects`, found "
            f"{type(layer).__name__}; take film or gated_mlp, or do(z) on images"
        )
    return layer
