"""The interface of the confounder dictionary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self, runtime_checkable

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


@runtime_checkable
class FitsData(Protocol):
    """A declared capability: the dictionary is made from images, and is empty until then."""

    def fit(self, model: Any, loader: Iterable[Mapping[str, Any]]) -> Self:
        """Make Z and P(z) from images of the training sites.

        Args:
            model: a `CausalSegmenter`, whose own vision tower reads the images.
            loader: batches with ``image`` (B, 3, H, W), RGB in [0, 1], and what else the
                dictionary asks for (``mask``, ``class_index``).

        Returns:
            The dictionary itself.
        """


dictionaries: Registry[ConfounderDictionary] = Registry(
    "confounder dictionary", "deconfound.dictionaries"
)
