"""What is trained: one cell a model, and which cells answer the questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from deconfound.benchmark.settings import BenchmarkSettings

Table = Mapping[str, Mapping[str, tuple[float, int]]]
"""Mean Dice and number of pictures by class and confounder."""

BASE_STRENGTH = 0.95
BASE_SIZE = 12
PLAIN = "plain"
DEFAULT = "default"
SWEPT = ("mcdrl", DEFAULT)
"""Methods that are trained with other dictionaries; with them, plain at other strengths."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One model to train and to score.

    Attributes:
        world: its name.
        method: its name; ``plain`` at strength 0 is the unconfounded oracle, ``default`` there the
            adjusted one.
        strength: of the confounding in training.
        size: prompts of the dictionary.
        quality: of its words.
        seed: of everything that is drawn.
    """

    world: str
    method: str
    strength: float = BASE_STRENGTH
    size: int = BASE_SIZE
    quality: str = "true"
    seed: int = 0

    @property
    def name(self) -> str:
        """A name for folders and messages."""
        of_dictionary = f"{self.size}-{self.quality}"
        return f"{self.world}-{self.method}-{self.strength:g}-{of_dictionary}-seed{self.seed}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one cell came to; Dice between 0 and 1.

    Attributes:
        cell: what was trained.
        observational: mean Dice where class and confounder go together as in training at 0.95.
        interventional: mean Dice under do(F), the one that counts.
        reversed: mean Dice where every class shows another's confounder.
        found: interventional mean Dice of lesion pixels whatever class they are given.
        table: interventional mean Dice of each class and confounder, with the number of pictures.
        seconds: of training and scoring.
    """

    cell: Cell
    observational: float
    interventional: float
    reversed: float
    found: float
    table: Table
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the line of ``cells.jsonl``."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Outcome:
        """Read back what `to_json` wrote."""
        table = {
            lesion: {z: (float(dice), int(count)) for z, (dice, count) in row.items()}
            for lesion, row in line["table"].items()
        }
        values = {each.name: line[each.name] for each in fields(cls)}
        return cls(**{**values, "cell": Cell(**line["cell"]), "table": table})


def plan(settings: BenchmarkSettings) -> list[Cell]:
    """Return the cells, seed by seed, so that a run cut short is complete for fewer seeds.

    A full factorial of everything would answer nothing more: each axis is varied by itself, from
    the base point (0.95, 12 prompts, true words), and for plain training, MCDRL and the default
    alone. Plain training reads no dictionary.
    """
    strengths = dict.fromkeys((BASE_STRENGTH, 0.0, *settings.strengths))
    methods = (PLAIN, *settings.methods)
    spoken = [method for method in methods if method in SWEPT]
    cells: dict[Cell, None] = {}
    for seed in range(settings.seeds):
        for world in settings.worlds:
            base = Cell(world, PLAIN, seed=seed)
            cells |= dict.fromkeys([base, replace(base, strength=0.0)])
            cells |= dict.fromkeys(replace(base, method=method) for method in methods)
            if DEFAULT in methods:
                cells |= {replace(base, method=DEFAULT, strength=0.0): None}
            if settings.strengths:
                cells |= dict.fromkeys(
                    replace(base, method=m, strength=s) for s in strengths for m in (PLAIN, *spoken)
                )
            if world == settings.worlds[0]:
                cells |= dict.fromkeys(
                    replace(base, method=m, size=size) for m in spoken for size in settings.sizes
                )
                cells |= dict.fromkeys(
                    replace(base, method=m, quality=q) for m in spoken for q in settings.qualities
                )
    return list(cells)
