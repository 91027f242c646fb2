"""Structural causal models as data: some over finite sets, and some that are rendered."""

from deconfound.simulation.scm.causes import Causes
from deconfound.simulation.scm.discrete import DiscreteSCM, Sample, World, random_scm
from deconfound.simulation.scm.hidden import HiddenSCM
from deconfound.simulation.scm.mediated import MediatedSample, MediatedSCM
from deconfound.simulation.scm.pictures import RenderedSample
from deconfound.simulation.scm.rendered import RenderedSCM
from deconfound.simulation.scm.structure import Edge, Mediator, edges
from deconfound.simulation.scm.variants import SETTABLE, UNRENDERABLE
from deconfound.simulation.scm.worlds import WORLDS

__all__ = [
    "SETTABLE",
    "UNRENDERABLE",
    "WORLDS",
    "Causes",
    "DiscreteSCM",
    "Edge",
    "HiddenSCM",
    "MediatedSCM",
    "MediatedSample",
    "Mediator",
    "RenderedSCM",
    "RenderedSample",
    "Sample",
    "World",
    "edges",
    "random_scm",
]
