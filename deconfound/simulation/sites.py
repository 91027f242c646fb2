"""The five hospitals: what they look into, with what colours, and how they take pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deconfound.simulation.names import CLASSES, CONFOUNDERS

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """Linear RGB reflectances under the site's own lamp.

    Attributes:
        wall: mucosa.
        pale: what mottles it: thinner or scarred mucosa, cartilage, vocal folds.
        vessel: submucosal vessels.
        lamp: tint of the light.
    """

    wall: Colour
    pale: Colour
    vessel: Colour
    lamp: Colour


@dataclass(frozen=True)
class Anatomy:
    """The shape of the place.

    Attributes:
        kind: which wall is built.
        rings: folds or cartilage rings in each doubling of the distance.
        relief: how far folds stand out, 0 to 1.
        roughness: height of the mucosa's own bumps.
        vessels: how clearly vessels show, 0 to 1.
        lumen: apparent radius of the dark lumen, in half frames.
        gloss: how wet the surface is, 0 to 1.
        off_centre: how far the lumen may lie from the centre of the frame, in half frames.
    """

    kind: Literal["tube", "airway", "glottis"]
    rings: float
    relief: float
    roughness: float
    vessels: float
    lumen: float
    gloss: float
    off_centre: float = 0.5


@dataclass(frozen=True)
class Site:
    """A hospital: anatomy, palette, scope, and how often each confounder and class occurs there.

    Attributes:
        name: unique; part of the key of every random number drawn for the site.
        palette: colours.
        anatomy: shape parameters.
        stop: the scope's field stop, which cuts the picture's corners.
        confounder_prior: (12,) P(z | site) in the order of ``CONFOUNDERS``; sums to one.
        class_prior: (5,) P(k | site) in the order of ``CLASSES``; sums to one.
    """

    name: str
    palette: Palette
    anatomy: Anatomy
    stop: Literal["circle", "octagon", "rounded", "full", "narrow"]
    confounder_prior: tuple[float, ...]
    class_prior: tuple[float, ...]


def _prior(names: tuple[str, ...], weights: dict[str, float]) -> tuple[float, ...]:
    """Normalise weights, 1 where none is given, to a distribution over ``names``."""
    raw = [weights.get(name, 1.0) for name in names]
    return tuple(value / sum(raw) for value in raw)


SITES: tuple[Site, ...] = (
    Site(
        "A-bronchoscopy",
        Palette((0.74, 0.36, 0.30), (0.86, 0.62, 0.52), (0.50, 0.12, 0.12), (1.0, 0.97, 0.93)),
        Anatomy("airway", 3.4, 0.45, 0.035, 0.35, 0.26, 0.7),
        "circle",
        _prior(CONFOUNDERS, {"mucus": 4, "dark": 3, "blur": 2, "white_light": 2}),
        _prior(CLASSES, {"tumor": 2}),
    ),
    Site(
        "B-laryngoscopy",
        Palette((0.80, 0.34, 0.33), (0.93, 0.78, 0.72), (0.58, 0.12, 0.14), (1.0, 0.95, 0.96)),
        Anatomy("glottis", 1.0, 0.5, 0.03, 0.45, 0.30, 0.8, off_centre=0.22),
        "full",
        _prior(CONFOUNDERS, {"reflection": 4, "near_view": 3, "bright": 2, "nbi": 2}),
        _prior(CLASSES, {"nodule": 2, "cyst": 1.5}),
    ),
    Site(
        "C-colonoscopy",
        Palette((0.84, 0.44, 0.28), (0.94, 0.68, 0.48), (0.55, 0.13, 0.09), (1.0, 0.93, 0.82)),
        Anatomy("tube", 1.3, 1.0, 0.03, 0.55, 0.36, 0.75),
        "octagon",
        _prior(CONFOUNDERS, {"nbi": 4, "uneven_lighting": 3, "far_view": 2}),
        _prior(CLASSES, {"polyp": 2.5}),
    ),
    Site(
        "D-colonoscopy",
        Palette((0.86, 0.50, 0.42), (0.95, 0.76, 0.66), (0.62, 0.20, 0.18), (1.0, 0.96, 0.90)),
        Anatomy("tube", 1.0, 0.8, 0.04, 0.85, 0.40, 0.55),
        "rounded",
        _prior(CONFOUNDERS, {"artifacts": 4, "bright": 3, "reflection": 2}),
        _prior(CLASSES, {"inflammation": 2}),
    ),
    Site(
        "E-colonoscopy",
        Palette((0.72, 0.28, 0.20), (0.84, 0.46, 0.33), (0.42, 0.07, 0.06), (1.0, 0.90, 0.80)),
        Anatomy("tube", 1.7, 1.0, 0.05, 0.3, 0.30, 0.95),
        "octagon",
        _prior(CONFOUNDERS, {"blood": 4, "far_view": 3, "blur": 3, "white_light": 2}),
        _prior(CLASSES, {"polyp": 1.5, "tumor": 1.5}),
    ),
)
"""Five sites that differ in anatomy, palette, field stop, P(z | site) and P(k | site)."""
