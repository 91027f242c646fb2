"""Whose images are whose, across sites."""

from __future__ import annotations

from typing import Any

from deconfound.data.dataset import FolderDataset
from deconfound.data.dealt import DealtOutcomes
from deconfound.data.memory import MemoryDataset
from deconfound.data.samples import group_ids


def patients(images: Any) -> list[str] | None:
    """Return the patient of each image of a dataset; a frame of nobody's is on its own.

    Args:
        images: a dataset of any kind.

    Returns:
        A name for each, told apart between sites; None where nobody knows.
    """
    if isinstance(images, DealtOutcomes):  # whoever the outcome is of, the picture is its own's
        return patients(images.images)
    if isinstance(images, FolderDataset):
        return group_ids(images.samples)
    if not isinstance(images, MemoryDataset) or images.groups is None:
        return None
    where = images.site_index.tolist()
    return [f"{site}/{group}" for site, group in zip(where, images.groups, strict=True)]
