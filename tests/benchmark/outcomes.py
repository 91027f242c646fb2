"""Finished cells made by hand."""

from __future__ import annotations

from collections.abc import Mapping

from deconfound.benchmark.cells import Cell, Outcome

Table = Mapping[str, Mapping[str, tuple[float, int]]]

TABLE: Table = {
    "polyp": {"nbi": (0.9, 40), "dark": (0.4, 6), "palette": (0.1, 1)},
    "cyst": {"nbi": (0.5, 10)},
}
"""The lowest mean stands on one picture of a seed, the next on six."""


def outcome(
    method: str,
    interventional: float,
    *,
    strength: float = 0.95,
    seed: int = 0,
    world: str = "renderable",
    table: Table = TABLE,
    found: float | None = None,
    **cell: object,
) -> Outcome:
    where = Cell(world, method, strength, seed=seed, **cell)  # type: ignore[arg-type]
    observational, reversed_ = interventional + 0.1, interventional - 0.1
    found = interventional + 0.04 if found is None else found
    return Outcome(where, observational, interventional, reversed_, found, table, 1.0)


def three(seed: int, plain: float, mine: float, oracle: float) -> list[Outcome]:
    """What one seed needs for a share: plain training, the default, the oracle."""
    return [
        outcome("plain", plain, seed=seed),
        outcome("default", mine, seed=seed),
        outcome("plain", oracle, strength=0.0, seed=seed),
    ]
