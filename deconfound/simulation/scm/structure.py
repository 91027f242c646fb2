"""The arrows of a rendered world that touch the lesion class."""

from __future__ import annotations

from dataclasses import dataclass


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


def edges(**pairs: str) -> tuple[Edge, ...]:
    """Build edges from classes and their confounders, set apart by blanks."""
    return tuple(Edge(lesion, z) for lesion, names in pairs.items() for z in names.split())
