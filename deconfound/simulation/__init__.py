"""Rendered endoscopy with known causes: scenes, confounders that can be set, five hospitals.

A structural causal model in pictures: the site chooses confounders and lesion classes, the scene
is drawn, and :func:`render` shows it under any strengths of the twelve confounders. The same scenes
with other strengths are the exact counterfactual ``do(z)``. In :mod:`.scm` such models are data:
worlds of pictures with chosen edges, and worlds over finite sets, in which P(Y|do(F)) is known in
closed form.
"""

from deconfound.simulation.dataset import RenderedSite
from deconfound.simulation.names import ASSOCIATED, CLASSES, CONFOUNDERS, GROUPS
from deconfound.simulation.render import render
from deconfound.simulation.sampling import sample_classes, sample_strengths
from deconfound.simulation.scenes import IMAGES_PER_PATIENT, Scenes
from deconfound.simulation.scm import (
    SETTABLE,
    UNRENDERABLE,
    WORLDS,
    DiscreteSCM,
    Edge,
    HiddenSCM,
    MediatedSCM,
    Mediator,
    RenderedSample,
    RenderedSCM,
    Sample,
    World,
    random_scm,
)
from deconfound.simulation.sites import SITES, Site

__all__ = [
    "ASSOCIATED",
    "CLASSES",
    "CONFOUNDERS",
    "GROUPS",
    "IMAGES_PER_PATIENT",
    "SETTABLE",
    "SITES",
    "UNRENDERABLE",
    "WORLDS",
    "DiscreteSCM",
    "Edge",
    "HiddenSCM",
    "MediatedSCM",
    "Mediator",
    "RenderedSCM",
    "RenderedSample",
    "RenderedSite",
    "Sample",
    "Scenes",
    "Site",
    "World",
    "random_scm",
    "render",
    "sample_classes",
    "sample_strengths",
]
