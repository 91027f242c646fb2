"""do(z) along text directions: a region is moved from the confounder it shows to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from einops import rearrange
from torch import Tensor

from deconfound.errors import ConfigurationError
from deconfound.estimators.base import Estimator
from deconfound.estimators.weighting import read_posterior
from deconfound.interventions.base import check_widths, interventions
from deconfound.interventions.joint import JointIntervention
from deconfound.types import Confounders, Intervened, Regions


@interventions.register("translation")
class TextTranslation(JointIntervention):
    """A(f, z) = f + s·‖f‖·(z - E_q[z]): what f seems to show is left, z is put in its place.

    q = softmax(cos(f, z)/T + log P(z)) is the vision-language model's zero-shot reading of the
    region. In a joint space in which differences of texts are differences of images ("with mucus"
    less "under white light"), this is do(z); text arithmetic of this kind edits images in StyleCLIP
    (arXiv 2103.17249) and augments features in LADS (arXiv 2210.09520). Nothing is learned, so
    nothing can learn to ignore z. By construction

        Σ_z q(z) A(f, z) = f                               what was observed is kept,
        Σ_z P(z) A(f, z) = f + s·‖f‖·(z̄ - E_q[z])          what enumeration gives.

    A is affine in z, so enumeration and prior mean agree; the gap is that of the head.

    Args:
        dim: d, the width of the joint space.
        estimator: how the sum over z is taken, see `JointIntervention`.
        strength: s ≥ 0, in lengths of the region; 0 is the identity.
        temperature: T > 0; 0.01 is the scale that CLIP models are trained to.

    Raises:
        ConfigurationError: a strength or temperature out of its range.
    """

    def __init__(
        self,
        dim: int,
        estimator: Estimator | str | Mapping[str, Any] = "enumeration",
        strength: float = 1.0,
        temperature: float = 0.01,
    ) -> None:
        super().__init__(dim, estimator)
        if not strength >= 0:
            raise ConfigurationError(f"translation strength must be >= 0, found {strength}")
        if not temperature > 0:
            raise ConfigurationError(f"translation temperature must be > 0, found {temperature}")
        self.strength = strength
        self.temperature = temperature

    def forward(self, regions: Regions, confounders: Confounders) -> Intervened:
        """Take the sum over z as the estimator does; every region is read once, by all of Z."""
        check_widths(self, self.dim, regions, confounders)
        shown = self.shown(regions.features, confounders)

        def effects(regions: Regions, drawn: Confounders) -> Tensor:
            return self.outcomes(regions.features, drawn.embeddings, shown)

        return self.estimator(effects, regions, confounders)

    def effects(self, regions: Regions, confounders: Confounders) -> Tensor:
        """Return A(f, z_m) for every m: (B, M, N, d)."""
        check_widths(self, self.dim, regions, confounders)
        shown = self.shown(regions.features, confounders)
        return self.outcomes(regions.features, confounders.embeddings, shown)

    def outcomes(self, features: Tensor, z: Tensor, shown: Tensor | None = None) -> Tensor:
        """Return A(f, z_m), (B, M, N, d), for features (B, N, d) and embeddings (M, d).

        Args:
            features: f
            z: where to.
            shown: E_q[z] (B, N, d), where from; None starts from no confounder at all.
        """
        start = 0 if shown is None else rearrange(shown, "b n d -> b 1 n d")
        length = rearrange(features.norm(dim=-1, keepdim=True), "b n 1 -> b 1 n 1")
        move = self.strength * length * (rearrange(z, "m d -> m 1 d") - start)
        return rearrange(features, "b n d -> b 1 n d") + move

    def shown(self, features: Tensor, confounders: Confounders) -> Tensor:
        """Return E_q[z] under the reading q of every region: (B, N, d)."""
        reading = read_posterior(features, confounders, self.temperature)
        return reading @ confounders.embeddings

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; the estimator as a mapping with its name."""
        own = {"strength": self.strength, "temperature": self.temperature}
        return {**super().options(), **own}
