"""Structural causal models as data: one over finite sets, and one that is rendered."""

from deconfound.simulation.scm.discrete import DiscreteSCM, Sample, World, random_scm
from deconfound.simulation.scm.rendered import (
    WORLDS,
    Causes,
    Edge,
    Mediator,
    RenderedSample,
    RenderedSCM,
)
from deconfound.simulation.scm.variants import SETTABLE, UNRENDERABLE

__all__ = [
    "SETTABLE",
    "UNRENDERABLE",
    "WORLDS",
    "Causes",
    "DiscreteSCM",
    "Edge",
    "Mediator",
    "RenderedSCM",
    "RenderedSample",
    "Sample",
    "World",
    "random_scm",
]
