"""Methods of others, in the same harness as ours: same tower, decoder, images, budget, selection.

A rival is a name in a registry, parts for the model and, where it has one, a loss around the plain
one. Third-party packages add theirs through the entry-point group ``deconfound.rivals``.
"""

from deconfound.rivals.base import TRIALS, Rival, rivals
from deconfound.rivals.plain import Plain

__all__ = ["TRIALS", "Plain", "Rival", "rivals"]
