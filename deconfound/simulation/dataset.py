"""A rendered site as a data set, like a folder of real frames."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor
from torch.utils.data import Dataset

from deconfound.errors import ConfigurationError
from deconfound.simulation.names import CLASSES
from deconfound.simulation.render import render
from deconfound.simulation.sampling import sample_classes, sample_strengths
from deconfound.simulation.scenes import IMAGES_PER_PATIENT, Scenes
from deconfound.simulation.sites import Site


class Item(TypedDict):
    """One picture of a rendered site."""

    image: Tensor
    mask: Tensor
    class_index: int
    site_index: int
    index: int
    strengths: Tensor


class RenderedSite(Dataset[Item]):
    """Pictures of one site, reproducible from a seed.

    Args:
        site: where.
        size: S, pixels along each side.
        length: number of pictures.
        seed: 0 or more; the same seed gives the same pictures.
        correlation: the class-confounder dial, see :func:`sample_strengths`.
        healthy: share of pictures without a lesion.
        site_index: the number that items carry.
        pre_render: render all at once now (4 bytes a value: 0.11 MB a picture at 96 px, with an
            8-byte mask), so that training does not wait; otherwise each picture when asked for.

    Attributes:
        classes: (length,) int64, -1 for healthy.
        strengths: (length, 12).
        groups: the patient of each picture; pictures of one patient share anatomy, so split by it.

    Raises:
        ConfigurationError: a length below 1, or what the samplers refuse.
    """

    def __init__(
        self,
        site: Site,
        size: int = 96,
        length: int = 200,
        seed: int = 0,
        correlation: float = 0.0,
        healthy: float = 0.0,
        site_index: int = 0,
        pre_render: bool = True,
    ) -> None:
        if length < 1:
            raise ConfigurationError(
                f"rendered site {site.name}: length must be 1 or more, found {length}; enlarge it"
            )
        self.site, self.size, self.seed, self.site_index = site, size, seed, site_index
        everyone = range(length)
        self.classes = sample_classes(seed, everyone, site, healthy)
        self.strengths = sample_strengths(seed, everyone, site, self.classes, correlation)
        self.groups = [f"{site.name}/{index // IMAGES_PER_PATIENT:05d}" for index in everyone]
        self._ready = self._draw(torch.arange(length)) if pre_render else None

    def __len__(self) -> int:
        return len(self.classes)

    def scenes(self, rows: Tensor) -> Scenes:
        """Return the scenes of some pictures, to be rendered under other strengths."""
        return Scenes.sample(self.seed, rows.tolist(), self.site, self.classes[rows])

    def _draw(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Render some pictures."""
        return render(self.scenes(rows), self.strengths[rows], self.size)

    def __getitem__(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.site.name} has {len(self)} pictures, no number {index}")
        index %= len(self)
        rows = torch.tensor([index])
        images, masks = (p[rows] for p in self._ready) if self._ready else self._draw(rows)
        return Item(
            image=images[0],
            mask=masks[0],
            class_index=int(self.classes[index]),
            site_index=self.site_index,
            index=index,
            strengths=self.strengths[index],
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Lesion classes; mask value k is ``class_names[k - 1]``."""
        return CLASSES
