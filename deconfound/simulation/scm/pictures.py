"""Pictures, and what they were drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from deconfound.simulation.scm.causes import Causes


@dataclass(frozen=True, slots=True, eq=False)
class RenderedSample:
    """Pictures with their causes.

    Attributes:
        images: (n, 3, S, S) uint8.
        masks: (n, S, S) uint8, class index + 1 on the lesion.
        causes: what decided them; all that an estimator must not see but class and site.
        groups: the patient of each picture.
    """

    images: Tensor
    masks: Tensor
    causes: Causes
    groups: tuple[str, ...]

    @property
    def class_index(self) -> Tensor:
        """(n,) position in ``CLASSES``."""
        return self.causes.class_index

    @property
    def site_index(self) -> Tensor:
        """(n,) position in the model's sites."""
        return self.causes.site_index

    @property
    def confounder(self) -> Tensor:
        """(n,) position in ``SETTABLE``, -1 for none."""
        return self.causes.confounder
