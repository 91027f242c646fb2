"""What is in front of the lens: the random numbers of a batch of pictures, nothing rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.simulation.draws import uniforms
from deconfound.simulation.names import CLASSES
from deconfound.simulation.noise import CELLS
from deconfound.simulation.sites import Site

IMAGES_PER_PATIENT = 4
"""Consecutive indices show one patient: same anatomy and palette, another place and lesion."""

PATIENT = (
    *("hue", "paleness", "vessels", "rings", "tilt", "taenia", "relief", "gloss", "lumen"),
    *("rough", "warmth", "membrane", "opening"),
)
"""Names of the numbers that a patient's pictures share."""

FRAME = (
    *("lumen_angle", "lumen_shift", "roll", "exposure", "grain", "noise_x", "noise_y"),
    *("lesion_angle", "lesion_reach", "size", "aspect", "turn", "redness", "texture", "kind"),
    *("wobble", "bumps", "blur_kind", "blur_angle", "side", "overlay", "film_x", "film_y"),
    *("pool_x", "pool_y", "tint", "streak", "spots", "shine"),
)
"""Names of the numbers that are a picture's own.

Nothing reads texture, wobble, bumps and streak; without them, a seed would draw other pictures.
"""

SCATTER = 40
"""Points (x, y, size, kind) that a picture can scatter: bumps of nodules, spots of glare."""

_COLUMN = {name: column for column, name in enumerate(PATIENT + FRAME)}


@dataclass(frozen=True)
class Scenes:
    """Anatomy and lesions of B pictures of one site, as numbers.

    Rendering the same scenes under other strengths is the exact counterfactual do(z): all that is
    not the confounder stays as it was.

    Attributes:
        site: whose anatomy and palette.
        class_index: (B,) int64, position in ``CLASSES``; -1 for healthy mucosa.
        numbers: (B, len(PATIENT) + len(FRAME)) uniforms, read by name.
        scatter: (B, SCATTER, 4) uniforms.
        lattice: (B, 4, CELLS) uniforms from which fractal textures are built.
    """

    site: Site
    class_index: Tensor
    numbers: Tensor
    scatter: Tensor
    lattice: Tensor

    @classmethod
    def sample(cls, seed: int, indices: Sequence[int], site: Site, class_index: Tensor) -> Scenes:
        """Draw scenes; picture ``(seed, index)`` of a site is the same in any batch.

        Args:
            seed: of the data set, 0 or more.
            indices: B image numbers, 0 or more; ``index // IMAGES_PER_PATIENT`` is the patient.
            site: one of ``SITES`` or your own.
            class_index: (B,) lesion class of each picture, -1 for none.

        Raises:
            ShapeError: not one class for each index.
            ConfigurationError: a class that is not in ``CLASSES``, a negative seed or index.
        """
        class_index = class_index.long()
        if class_index.shape != (len(indices),):
            raise ShapeError(
                f"Scenes.sample: class_index must be ({len(indices)},), one class for each index, "
                f"found {tuple(class_index.shape)}"
            )
        if ((class_index < -1) | (class_index >= len(CLASSES))).any():
            raise ConfigurationError(
                f"Scenes.sample: classes are -1 (healthy) to {len(CLASSES) - 1}, "
                f"found {class_index.min().item()} to {class_index.max().item()}; fix class_index"
            )
        patients = [index // IMAGES_PER_PATIENT for index in indices]
        shared = uniforms(seed, patients, f"{site.name}/patient", len(PATIENT))
        own = uniforms(seed, indices, f"{site.name}/frame", len(FRAME))
        scatter = uniforms(seed, indices, f"{site.name}/scatter", SCATTER * 4)
        lattice = uniforms(seed, indices, f"{site.name}/lattice", 4 * CELLS)
        return cls(
            site,
            class_index,
            torch.cat([shared, own], dim=1),
            scatter.view(-1, SCATTER, 4),
            lattice.view(-1, 4, CELLS),
        )

    def __len__(self) -> int:
        return len(self.class_index)

    def pick(self, rows: Tensor | slice) -> Scenes:
        """Return the scenes of some rows."""
        return replace(
            self,
            class_index=self.class_index[rows],
            numbers=self.numbers[rows],
            scatter=self.scatter[rows],
            lattice=self.lattice[rows],
        )

    def with_number(self, name: str, values: Tensor) -> Scenes:
        """Return the scenes with one of their numbers set, (B,) in [0, 1]."""
        numbers = self.numbers.clone()
        numbers[:, _COLUMN[name]] = values
        return replace(self, numbers=numbers)

    def between(self, name: str, low: float, high: float) -> Tensor:
        """Read the number ``name`` of every picture, spread from ``low`` to ``high``: (B, 1, 1)."""
        return (low + (high - low) * self.numbers[:, _COLUMN[name]])[:, None, None]
