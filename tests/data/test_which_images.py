"""Which images a dataset holds: told apart without looking at one, and wherever they lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deconfound.data import FolderDataset, LabelMask, Sample
from deconfound.data.dealt import DealtOutcomes
from deconfound.data.masks import MaskRule
from deconfound.data.memory import MemoryDataset
from deconfound.data.which_images import which_images

SAMPLES = tuple(
    Sample(Path(f"/here/{name}.png"), Path(f"/here/{name}_mask.png"), "A", "1", "polyp")
    for name in ("a", "b", "c")
)


def files(*samples: Sample) -> str | None:
    return which_images(FolderDataset(samples, 32, ("polyp", "tumor"), ("A", "B")))


def arrays(classes: tuple[int, ...] = (0, 1), groups: Any = ("1", "2")) -> MemoryDataset:
    pictures, masks = torch.zeros(2, 3, 4, 4).byte(), torch.zeros(2, 4, 4).byte()
    where = torch.zeros(2).long()
    return MemoryDataset(pictures, masks, torch.tensor(classes), where, groups=groups)


def test_files_are_the_same_wherever_they_lie() -> None:
    there = Path("/there")
    moved = [
        replace(one, image=there / one.image.name, mask=there / one.mask.name) for one in SAMPLES
    ]
    assert files(*moved) == files(*SAMPLES)


def test_name_site_patient_class_and_order_tell_files_apart() -> None:
    first, *rest = SAMPLES
    others = (
        replace(first, image=Path("/here/d.png")),
        replace(first, site="B"),
        replace(first, group="2"),
        replace(first, class_name="tumor"),
    )
    found = [files(*SAMPLES), files(*rest, first), *(files(other, *rest) for other in others)]
    assert len(set(found)) == len(found)


def test_mask_its_rule_and_the_colours_tell_files_apart() -> None:
    first, *rest = SAMPLES
    others = (
        replace(first, mask=Path("/here/other_mask.png")),
        replace(first, mask=Path("/here/redrawn/a_mask.png")),
        replace(first, mask_rule=LabelMask((1,))),
        replace(first, mask_rule=LabelMask((2,))),
        replace(first, channel_order="bgr"),
    )
    found = [files(*SAMPLES), *(files(other, *rest) for other in others)]
    assert len(set(found)) == len(found)


def test_a_rule_of_ones_own_is_known_by_its_name() -> None:
    first, *rest = SAMPLES
    one, same = (files(replace(first, mask_rule=Inverted()), *rest) for _ in range(2))
    assert one == same != files(*SAMPLES)


class Inverted(MaskRule):
    """A rule that says nothing of itself."""

    def __call__(self, values: Any, path: Path) -> Any:
        return 1 - values


def test_classes_patients_and_the_deal_tell_arrays_apart() -> None:
    sets = (arrays(), arrays((1, 0)), arrays(groups=("1", "3")), arrays(groups=None))
    found = [*map(which_images, sets), which_images(DealtOutcomes(arrays(), seed=0))]
    assert len(set(found)) == len(found)
    assert which_images(arrays()) == found[0]


def test_patients_may_be_numbers() -> None:
    assert which_images(arrays(groups=np.array([1, 2]))) == which_images(arrays(groups=("1", "2")))


def test_of_other_datasets_nobody_knows() -> None:
    assert which_images(range(3)) is None
    assert which_images(DealtOutcomes(range(3), seed=0)) is None
