"""The interface of the confounder dictionary."""

from __future__ import annotations

from abc import ABC, abstractmethod

from deconfound.component import Component
from deconfound.registry import Registry
from deconfound.types import Confounders


class ConfounderDictionary(Component, ABC):
    """Holds Z and P(z).

    Embeddings and prior are buffers, or parameters where they are learned, so that they move, save
    and load with the model. A constructor only keeps what it is given: when a saved model is
    loaded, embeddings arrive as not-a-number and are filled from the state dict afterwards.
    """

    @abstractmethod
    def forward(self) -> Confounders:
        """Return the dictionary as it stands.

        Returns:
            Confounders with embeddings (M, d), prior (M,) summing to one, and M names.
        """


dictionaries: Registry[ConfounderDictionary] = Registry(
    "confounder dictionary", "deconfound.dictionaries"
)
