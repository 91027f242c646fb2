"""What the three interfaces share: a module that can be written down and built again."""

from __future__ import annotations

from typing import Any

from torch import nn


class Component(nn.Module):
    """A plug-in part of the model.

    Configuration files and saved models hold a component as its registered name and its
    constructor's arguments; parameters and buffers travel in the state dict.
    """

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values; none by default."""
        return {}
