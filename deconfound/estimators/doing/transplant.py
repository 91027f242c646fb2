"""do(z) by transplantation: the lesion of one picture in the surroundings of another."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.estimators.doing.base import Doing, Pictures, doings
from deconfound.estimators.doing.detail import with_detail_of
from deconfound.estimators.doing.edges import grown, soft_edge
from deconfound.estimators.doing.gain import local_gain
from deconfound.estimators.doing.paint_over import paint_over
from deconfound.estimators.doing.rescale import rescaled
from deconfound.estimators.doing.style import restyled, style_of

Tone = Literal["either", "style", "gain", "none"]


@doings.register("transplant")
class Transplant(Doing):
    """Put each picture's lesion into the surroundings of a donor that is drawn from the batch.

    All that lies outside the lesion (tissue, anatomy, the scope's frame, light) is then drawn from
    P(z), whatever the class. It is the one form of do(z) that sets confounders which nobody can
    render, and all it needs is the mask. What lies on the lesion itself (tint, exposure) is set
    too, see ``tone``. After copy-paste augmentation (Ghiasi et al., CVPR 2021, arXiv
    2012.07177), which asks for more objects, not for independence.

    What a lesion shows outside of its mask (a halo, the shadow behind it in ultrasound) comes along
    as far as ``margin`` reaches; what lies farther off is taken for surroundings, and stays behind.
    The donor's own lesion is painted over first (`paint_over`), as far, or it would stay in
    surroundings that say its class. What cannot be painted over keeps its label; a picture that
    shows lesions of two classes has class -1, unknown.

    Args:
        probability: share of the pictures that are touched.
        tone: what the lesion takes of its new place. ``style``: mean and covariance of the donor's
            colours, measured over the whole surroundings. ``gain``: brightness and tint of the
            tissue right about it (`local_gain`), which a vignette or a black frame elsewhere in
            the picture has no part in. ``either``: one of the two, by a coin for each picture, as
            neither is right of every confounder, and what one of them leaves on the lesion of the
            place it comes from the other does not. ``none``: nothing.
        zoom: largest change of the lesion's size, 1 or more; factors are spread evenly, in
            logarithms, from its inverse to itself. It sets the distance, and takes from the size
            what it tells of the class; 1 leaves sizes alone.
        margin: width of the surroundings that come along, in diameters of a disc as large as the
            lesion. With them comes the confounder that lies there, so 0 unless lesions are known to
            reach beyond their outline.
        detail: let the lesion take the noise and the sharpness of its new place too
            (`with_detail_of`); without, it shows those of the place it comes from.

    Raises:
        ConfigurationError: a probability outside [0, 1], a zoom below 1, or a margin below 0.
        UnknownNameError: another tone.
    """

    def __init__(
        self,
        probability: float = 0.5,
        tone: Tone = "either",
        zoom: float = 1.0,
        margin: float = 0.0,
        detail: bool = False,
    ) -> None:
        super().__init__(probability)
        if tone not in get_args(Tone):
            raise unknown_name("tone of a transplant", str(tone), get_args(Tone))
        if not zoom >= 1:
            raise ConfigurationError(f"transplant: zoom must be 1 or more, found {zoom}")
        if not 0 <= margin < float("inf"):
            raise ConfigurationError(f"transplant: margin must be 0 or more, found {margin}")
        self.tone = tone
        self.zoom = zoom
        self.margin = margin
        self.detail = detail

    def do(self, pictures: Pictures, generator: torch.Generator) -> Pictures:
        """Transplant every lesion; a picture without one becomes its donor's surroundings."""
        donors = torch.randperm(len(pictures.image), generator=generator)
        donors = donors.to(pictures.image.device)
        around = paint_over(pictures.take(donors), self.margin)
        by_style = self._by_style(len(donors), generator).to(donors.device)
        if by_style.any():
            own = style_of(pictures)
            styled = pictures.with_image(restyled(pictures.image, own, own.take(donors)))
            pictures = pictures.where(by_style, styled)
        if self.zoom > 1:
            spread = 2 * torch.rand(len(donors), generator=generator) - 1
            pictures = rescaled(pictures, self.zoom**spread)
        image, lesion = pictures.image, pictures.mask > 0
        carried = grown(lesion, self.margin)
        if self.tone in ("gain", "either"):
            lit = (image * local_gain(image, around.image, carried)).clamp(0, 1)
            image = torch.where(by_style[:, None, None, None], image, lit)
        if self.detail:
            image = with_detail_of(image, around.image, carried)
        share = soft_edge(carried)
        merged = share * image + (1 - share) * around.image
        mask = torch.where(carried, pictures.mask, around.mask)
        return Pictures(merged, mask, _classes(lesion, carried, pictures, around))

    def _by_style(self, count: int, generator: torch.Generator) -> Tensor:
        """Say for each picture whether its lesion takes the donor's style, (count,)."""
        if self.tone == "either":
            return torch.rand(count, generator=generator) < 0.5
        return torch.full((count,), self.tone == "style")

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"tone": self.tone, "zoom": self.zoom, "margin": self.margin, "detail": self.detail}
        return {**super().options(), **own}


def _classes(lesion: Tensor, carried: Tensor, pictures: Pictures, around: Pictures) -> Tensor:
    """Return the class of each merged picture; -1 where lesions of two classes are in it."""
    pasted = lesion.flatten(1).any(dim=1)
    left = ((around.mask > 0) & ~carried).flatten(1).any(dim=1)
    same = pictures.class_index == around.class_index
    both = torch.where(same, pictures.class_index, -1)
    alone = torch.where(pasted, pictures.class_index, around.class_index)
    return torch.where(pasted & left, both, alone)
