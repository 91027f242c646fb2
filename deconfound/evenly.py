"""Some of a row of things, in even steps, so that none is picked by hand."""

from __future__ import annotations


def evenly(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the positions 0 … count − 1, from the first to the last."""
    taken = min(count, most)
    return [round(i * (count - 1) / max(taken - 1, 1)) for i in range(taken)]
