"""What decides rendered pictures, as numbers: kept, so that a scene can be shown again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from deconfound.simulation.names import CONFOUNDERS, EXCLUSIVE


@dataclass(frozen=True, slots=True, eq=False)
class Causes:
    """Everything that decides n pictures, and no pixel yet.

    The confounder that an edge brought is kept apart from the background, so that another one can
    take its place and nothing else moves.

    Attributes:
        seed: of the scenes.
        index: (n,) number of each picture within its site.
        site_index: (n,) position in the model's sites.
        class_index: (n,) position in ``CLASSES``.
        confounder: (n,) position in ``SETTABLE`` of what an edge brought; -1 none.
        force: (n,) its strength, (0, 1].
        background: (n, 12) strengths of whatever else acts: further confounders and mediators.
        exposure: (n,) in [0, 1], the camera's; what the unobserved cause moves.
    """

    seed: int
    index: Tensor
    site_index: Tensor
    class_index: Tensor
    confounder: Tensor
    force: Tensor
    background: Tensor
    exposure: Tensor

    @property
    def strengths(self) -> Tensor:
        """(n, 12) of all that acts, as `render` takes them."""
        return acting(self.background, self.confounder, self.force)

    def take(self, rows: Tensor) -> Causes:
        """Return the causes of some pictures."""
        return Causes(self.seed, *(getattr(self, name)[rows] for name in _TENSORS))

    @staticmethod
    def join(parts: Sequence[Causes]) -> Causes:
        """Return the causes of all pictures of parts that share a seed."""
        columns = [torch.cat([getattr(part, name) for part in parts]) for name in _TENSORS]
        return Causes(parts[0].seed, *columns)


_TENSORS = tuple(field.name for field in fields(Causes))[1:]


def acting(background: Tensor, confounder: Tensor, force: Tensor) -> Tensor:
    """Let one more confounder act on each picture, and end those that contradict it.

    Args:
        background: (n, 12) strengths.
        confounder: (n,) position in ``SETTABLE``; -1, or one that has no strength, changes nothing.
        force: (n,) its strength.

    Returns:
        (n, 12) strengths.
    """
    strengths = background.clone()
    rows = ((confounder >= 0) & (confounder < len(CONFOUNDERS))).nonzero()[:, 0]
    for pair in EXCLUSIVE:
        one, other = (CONFOUNDERS.index(name) for name in pair)
        strengths[rows[confounder[rows] == one], other] = 0
        strengths[rows[confounder[rows] == other], one] = 0
    strengths[rows, confounder[rows]] = force[rows]
    return strengths
