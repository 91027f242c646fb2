"""do(z) by example: a picture takes the colours and the light of another."""

from __future__ import annotations

import torch

from deconfound.estimators.doing.base import Doing, Pictures, doings
from deconfound.estimators.doing.style import restyled, style_of


@doings.register("restyle")
class Restyle(Doing):
    """Give each picture the style of a donor that is drawn from the batch, whatever its class.

    Donors come as often as their styles do, so that z ~ P(z), and nothing has to be known of z but
    that it shows in the colours: mean and covariance around the lesion are set to the donor's
    (Reinhard et al., "Color transfer between images", 2001, with the full covariance). It needs no
    name, no text and no renderer, and it does not reach sharpness, shape or place.
    """

    def do(self, pictures: Pictures, generator: torch.Generator) -> Pictures:
        """Restyle every picture."""
        donors = torch.randperm(len(pictures.image), generator=generator)
        own = style_of(pictures)
        wanted = own.take(donors.to(pictures.image.device))
        return pictures.with_image(restyled(pictures.image, own, wanted))
