"""Methods of others, in the same harness as ours: same tower, decoder, images, budget, selection.

A rival is a name in a registry, parts for the model and, where it has one, a loss around the plain
one. Third-party packages add theirs through the entry-point group ``deconfound.rivals``.
"""

from deconfound.rivals.base import TRIALS, Rival, rivals
from deconfound.rivals.biomedcoop import BiomedCoOp
from deconfound.rivals.clipseg_film import ClipSegFiLM
from deconfound.rivals.dann import DANN
from deconfound.rivals.decoupling import Decoupling
from deconfound.rivals.group_dro import GroupDRO
from deconfound.rivals.mixstyle import MixStyle
from deconfound.rivals.plain import Plain
from deconfound.rivals.stylip import StyLIP

__all__ = [
    "DANN",
    "TRIALS",
    "BiomedCoOp",
    "ClipSegFiLM",
    "Decoupling",
    "GroupDRO",
    "MixStyle",
    "Plain",
    "Rival",
    "StyLIP",
    "rivals",
]
