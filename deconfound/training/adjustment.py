"""What adjusts for confounders while a model is trained, besides the model's own intervention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor

from deconfound.errors import ShapeError
from deconfound.estimators.doing import Doing, Pictures
from deconfound.estimators.doing.transplant import Tone
from deconfound.settings import Settings


class AdjustmentSettings(Settings):
    """How a training adjusts; every field can be a flag.

    The defaults are the default training configuration (docs/results/causal.md has what was tried).

    Attributes:
        transplant: share of the training pictures whose lesion is put into other surroundings;
            ``auto``, as large a one as the surroundings still tell of the class among weighted
            images (`deconfound.training.surroundings`).
        tone: what a transplanted lesion takes of its new place: ``style``, the donor's colours as a
            whole; ``gain``, light and tint right about it; ``either``, by a coin; ``none``.
        margin: how much of its surroundings a transplanted lesion takes along, in diameters of a
            disc as large as the lesion; ``auto``, 0.5 where it shows outside of its mask, as by a
            shadow, and 0 elsewhere (`deconfound.training.surroundings`).
        detail: let a transplanted lesion take the noise and the sharpness of its new place too:
            for confounders that lie on the lesion as grain or blur, as a CT's dose or motion.
        restyle: share that takes colours and light of another picture; ``auto``, 0.7 where the
            classes cannot be told, as where there is one, and 0 elsewhere.
        render: share onto which a confounder of the pack is drawn.
        weighting: balance classes and confounders: ``none``, as a factor of the ``loss``, or by
            how often the ``sampler`` draws a picture.
        weigh_by: what tells the confounders apart: ``surroundings``, whatever shows outside of the
            lesion, named or not (`propensity_weights`); or ``words``, the VLM's reading of the
            pack's confounders (`balancing_weights`).
        weight_limit: largest weight, in units of the mean. Where a class is found with its
            confounder in 95 %, the true weight of the others is 15 to 19.
        calibrate: fit the temperature of the reading by words to confounders drawn onto the
            training pictures; 0.1 otherwise, which fits mini.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    before: ClassVar[Mapping[str, Any]] = {"weigh_by": "words"}

    transplant: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    tone: Tone = "either"
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["auto"] = "auto"
    detail: bool = False
    restyle: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    render: float = Field(default=0.0, ge=0, le=1)
    weighting: Literal["none", "loss", "sampler"] = "sampler"
    weigh_by: Literal["surroundings", "words"] = "surroundings"
    weight_limit: float = Field(default=20.0, ge=1)
    calibrate: bool = False

    @classmethod
    def off(cls) -> AdjustmentSettings:
        """Return the settings of plain training; a weighting that is added goes by words."""
        return cls(transplant=0, margin=0, restyle=0, render=0, weighting="none", weigh_by="words")

    @property
    def weighs_by_words(self) -> bool:
        """Whether images are weighted by the VLM's reading."""
        return self.weighting != "none" and self.weigh_by == "words"

    @property
    def weighs_by_surroundings(self) -> bool:
        """Whether images are weighted by what they show beside their lesion."""
        return self.weighting != "none" and self.weigh_by == "surroundings"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Confounders that are set in the training pictures, and weights; the parts compose.

    Attributes:
        doing: carried out on every batch, one after the other.
        weights: (n,), one for each training image, from
            :mod:`deconfound.estimators.weighting`; None weighs all alike.
        weigh: whether a weight is a factor of the image's loss, or how often it is drawn.
        notes: what a reader of the run should know, a sentence each.
    """

    doing: Sequence[Doing] = ()
    weights: Tensor | None = None
    weigh: Literal["loss", "sampler"] = "sampler"
    notes: tuple[str, ...] = ()

    @property
    def sampling_weights(self) -> Tensor | None:
        """The weights, where they say how often an image is drawn."""
        return self.weights if self.weigh == "sampler" else None

    def require_weights_for(self, images: int) -> None:
        """Raise ShapeError unless there is one weight for each of the training images."""
        if self.weights is not None and self.weights.shape != (images,):
            raise ShapeError(
                f"adjustment: expected one weight for each of {images} training images, "
                f"found {tuple(self.weights.shape)}"
            )

    def apply(self, batch: dict[str, Any], rows: Sequence[int], seed: int) -> dict[str, Any]:
        """Adjust one batch.

        Args:
            batch: ``image``, ``mask`` and ``class_index`` as the loop loads them.
            rows: position of each image in the training set.
            seed: what is drawn follows from it.

        Returns:
            The batch with its pictures changed and, where weights act on the loss, ``weight``.
        """
        pictures = Pictures(batch["image"], batch["mask"], batch["class_index"])
        generator = torch.Generator().manual_seed(seed)
        for step in self.doing:
            pictures = step(pictures, generator)
        changed = {
            "image": pictures.image,
            "mask": pictures.mask,
            "class_index": pictures.class_index,
        }
        if self.weights is not None and self.weigh == "loss":
            changed["weight"] = self.weights[list(rows)].to(batch["image"].device)
        return {**batch, **changed}
