"""Shuffles for permutation tests that keep classes and patients together."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def block_labels(sites: Array, classes: Array, units: Array) -> Array:
    """Return (n,) numbers of the blocks that move as one: a patient's images of one class and site.

    Args:
        sites: (n,).
        classes: (n,).
        units: (n,), integers, the patients.
    """
    together = np.stack([units, classes, sites], axis=1)
    return np.unique(together, axis=0, return_inverse=True)[1].reshape(-1)


def shuffle_within(sites: Array, classes: Array, blocks: Array, draw: np.random.Generator) -> Array:
    """Return the sites (n,), shuffled among the blocks of each class.

    How many blocks of a class a site has stays as it was.

    Args:
        sites: (n,).
        classes: (n,).
        blocks: (n,), of which each has one class and one site.
        draw: where the randomness comes from.
    """
    _, first, block_of = np.unique(blocks, return_index=True, return_inverse=True)
    site_of_block, class_of_block = sites[first], classes[first]
    for one in np.unique(class_of_block):
        rows = np.flatnonzero(class_of_block == one)
        site_of_block[rows] = site_of_block[draw.permutation(rows)]
    return site_of_block[block_of.reshape(-1)]
