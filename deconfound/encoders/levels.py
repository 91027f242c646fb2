"""Levels of a pyramid: which are meant, and whether their maps are there."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError


def choose_levels(
    levels: Sequence[int] | str, num_levels: int, allowed: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return the levels that are meant, counted from the image and in order.

    Args:
        levels: distinct levels, negative ones counted from the deepest; ``"all"``: those allowed.
        num_levels: how many maps there are, the image (level 0) included.
        allowed: the levels that the decoder reads; None: all but the image.

    Raises:
        ConfigurationError: a level that is not allowed, twice the same, or none.
    """
    allowed = range(1, num_levels) if allowed is None else allowed
    if levels == "all":
        return tuple(allowed)
    if isinstance(levels, str):
        raise ConfigurationError(f"levels must be 'all' or a list of integers, found {levels!r}")
    chosen = [level + num_levels if level < 0 else level for level in levels]
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise ConfigurationError(
            f"levels must be distinct and among those the decoder reads, {list(allowed)}, "
            f"found {list(levels)}"
        )
    return tuple(sorted(chosen))


def levels_from_stride(
    strides: Sequence[int], grid_stride: int, allowed: Sequence[int]
) -> tuple[int, ...]:
    """Return the allowed levels no finer than the tower's own grid, at least the deepest.

    Args:
        strides: stride of every pyramid level, entry 0 being the image at 1.
        grid_stride: pixels per location of the dense map.
        allowed: the levels that the decoder reads.
    """
    return tuple(level for level in allowed if strides[level] >= grid_stride) or (allowed[-1],)


def check_maps(
    name: str,
    pyramid: Sequence[Tensor],
    levels: Sequence[int],
    channels: Sequence[int],
    locations: int = 1,
) -> None:
    """Raise ShapeError unless each chosen level is there with its channels and enough locations."""
    for level in levels:
        shape = tuple(pyramid[level].shape) if level < len(pyramid) else None
        if shape is None or shape[1] != channels[level] or shape[2] * shape[3] < locations:
            raise ShapeError(
                f"{name}: expected level {level} with {channels[level]} channels and {locations} "
                f"locations or more, found {shape}; choose other levels"
            )
