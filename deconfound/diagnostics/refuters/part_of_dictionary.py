"""Less of the dictionary: which names carry the adjustment?"""

from __future__ import annotations

import torch

from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.dictionaries.part import part_of
from deconfound.errors import ConfigurationError, unknown_name
from deconfound.types import Confounders

NOTHING_LEFT = "nothing that occurs would be left"


class LeaveOneOut(ChangedDictionary):
    """Leaves one confounder out. Refuted: the adjustment does not use this one.

    Args:
        confounder: its name.
        margin: what counts as a loss.

    Raises:
        UnknownNameError: in ``refute``, a name that the dictionary does not have.
    """

    claim = "falls"
    decisive = False
    in_vain = NOTHING_LEFT

    def __init__(self, confounder: str, margin: float | None = None) -> None:
        super().__init__(margin)
        self.confounder = confounder
        self.name = f"without {confounder}"
        self.asks = f"Is {confounder!r} used?"
        self.what = f"Without {confounder!r}"

    def change(self, confounders: Confounders, seed: int) -> Confounders | None:
        """Return the dictionary without one name."""
        if self.confounder not in confounders.names:
            raise unknown_name("confounder", self.confounder, confounders.names)
        kept = [m for m, name in enumerate(confounders.names) if name != self.confounder]
        return part_of(confounders, kept)


class Subset(ChangedDictionary):
    """Keeps a random share of the names. Refuted: the rest of them is not used.

    Args:
        share: of the confounders that is kept, in (0, 1); at least one is, and one is left out.
        margin: what counts as a loss.

    Raises:
        ConfigurationError: a share out of its range.
    """

    name = "subset"
    asks = "Is the rest of the dictionary used?"
    claim = "falls"
    decisive = False
    what = "With a random part of the names"
    in_vain = NOTHING_LEFT

    def __init__(self, share: float = 0.5, margin: float | None = None) -> None:
        super().__init__(margin)
        if not 0 < share < 1:
            raise ConfigurationError(f"Subset: share must lie in (0, 1), found {share}; change it")
        self.share = share

    def change(self, confounders: Confounders, seed: int) -> Confounders | None:
        """Return the names that were drawn, in their order."""
        count = len(confounders.names)
        if count < 2:
            return None
        number = min(max(1, round(self.share * count)), count - 1)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        return part_of(confounders, order[:number].sort().values.tolist())
