"""A rendered world as data: its arrows, and how strong they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.simulation.names import CLASSES, CONFOUNDERS
from deconfound.simulation.scm.variants import SETTABLE
from deconfound.simulation.sites import SITES, Site


@dataclass(frozen=True, slots=True)
class Edge:
    """A class that shows itself with a confounder: ``lesion → confounder``."""

    lesion: str
    confounder: str


@dataclass(frozen=True, slots=True)
class Mediator:
    """An effect of the lesion, such as its blood: it depends on the class in *every* world.

    Attributes:
        lesion: the class that causes it.
        confounder: what it looks like.
        probability: how often.
    """

    lesion: str
    confounder: str
    probability: float


@dataclass(frozen=True)
class Structure:
    """A rendered world as data.

    Attributes:
        name: of the world.
        edges: class → confounder; a class with several shows each equally often.
        strength: dependence of confounder and class, 0 (none, given the site) to 1 (a function).
        mediators: effects of the lesion.
        unobserved: share of the pictures whose exposure a hidden cause of the class sets: the later
            the class stands in ``CLASSES``, the longer. No dictionary names it.
        others: the most further confounders in a picture, drawn from P(z | site) whatever the
            class, in every other picture; 0 for none.
        sites: hospitals, with their own P(k) and P(z).

    Raises:
        UnknownNameError: a class or confounder that does not exist.
        ConfigurationError: twice the same edge, a share outside [0, 1].
    """

    name: str
    edges: tuple[Edge, ...]
    strength: float = 0.95
    mediators: tuple[Mediator, ...] = ()
    unobserved: float = 0.0
    others: int = 1
    sites: tuple[Site, ...] = SITES

    def __post_init__(self) -> None:
        _check(self)

    def with_strength(self, strength: float) -> Self:
        """Return the same world at another strength of confounding."""
        return replace(self, strength=strength)

    @property
    def confounders(self) -> tuple[str, ...]:
        """The confounders that depend on the class, in the order of the edges."""
        return tuple(dict.fromkeys(edge.confounder for edge in self.edges))


def edges(**pairs: str) -> tuple[Edge, ...]:
    """Build edges from classes and their confounders, set apart by blanks."""
    return tuple(Edge(lesion, z) for lesion, names in pairs.items() for z in names.split())


def _check(scm: Structure) -> None:
    """Raise a sentence for what cannot be a world."""
    for lesion in [arrow.lesion for arrow in scm.edges] + [arrow.lesion for arrow in scm.mediators]:
        if lesion not in CLASSES:
            raise unknown_name("lesion class", lesion, CLASSES)
    for edge in scm.edges:
        if edge.confounder not in SETTABLE:
            raise unknown_name("confounder", edge.confounder, SETTABLE)
    for mediator in scm.mediators:  # it lies on the tissue, so a strength can say it
        if mediator.confounder not in CONFOUNDERS:
            raise unknown_name("mediator", mediator.confounder, CONFOUNDERS)
    if len(set(scm.edges)) < len(scm.edges):
        raise ConfigurationError(f"SCM {scm.name}: an edge stands twice; remove one")
    shares = (scm.strength, scm.unobserved, *(m.probability for m in scm.mediators))
    if not all(0 <= share <= 1 for share in shares):
        raise ConfigurationError(
            f"SCM {scm.name}: strength, unobserved and probabilities lie in [0, 1], "
            f"found {shares}; change them"
        )
