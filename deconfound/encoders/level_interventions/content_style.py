"""The deepest level in two parts: content, which the decoder reads, and style, kept from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from deconfound.encoders.level_interventions.base import LevelIntervention, level_interventions
from deconfound.encoders.levels import check_maps, choose_levels
from deconfound.errors import ConfigurationError


class ContentAndStyle(NamedTuple):
    """The two parts of one batch.

    Attributes:
        content: (B, C, h, w), what the decoder reads at the deepest level.
        style: (B, C, h, w), what is kept from it.
    """

    content: Tensor
    style: Tensor


@level_interventions.register("content_style")
class ContentStyle(LevelIntervention):
    """Splits the deepest map by two learned projections, and hands on the content alone.

    The content starts as the map itself, so that a model begins as one without the split. What
    makes the parts differ is the loss: it asks for both with `take_parts`. Acts in training and in
    evaluation alike.

    Args:
        channels: channels of every map, entry 0 being the image.
        allowed: the levels that the decoder reads; None: all but the image.

    Raises:
        ConfigurationError: the decoder does not read the deepest map.
        ShapeError: in ``forward``, maps of other channels.
    """

    def __init__(self, channels: Sequence[int], allowed: Sequence[int] | None = None) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.levels = choose_levels([-1], len(channels), allowed)
        width = channels[-1]
        self.content = nn.Conv2d(width, width, kernel_size=1, bias=False)
        self.style = nn.Conv2d(width, width, kernel_size=1, bias=False)
        nn.init.dirac_(self.content.weight)
        self._parts: ContentAndStyle | None = None

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Put the content in place of the map; see `LevelIntervention.forward` for the shapes."""
        check_maps("content and style", pyramid, self.levels, self.channels)
        self._parts = ContentAndStyle(self.content(pyramid[-1]), self.style(pyramid[-1]))
        return [*pyramid[:-1], self._parts.content]

    def take_parts(self) -> ContentAndStyle:
        """Return both parts of the last batch, once, so that no loss is of a batch before it.

        Raises:
            ConfigurationError: no batch has gone through since they were last taken.
        """
        parts, self._parts = self._parts, None
        if parts is None:
            raise ConfigurationError(
                "content and style: expected a batch to have gone through the model since the last "
                "loss, found none; call the model first, and the loss once for each batch"
            )
        return parts

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments; the projections are in the state dict."""
        return {"channels": list(self.channels)}

    def __getstate__(self) -> dict[str, Any]:
        # A copy of the model has seen no batch; and tensors with a history cannot be copied.
        return {**self.__dict__, "_parts": None}
