"""Training images as they were found and as they were trained with, for the report."""

from __future__ import annotations

import torch
from torch.utils.data import default_collate

from deconfound.packs import PromptPack
from deconfound.training import RunFolder
from deconfound.training.adjusting import adjustment_by
from deconfound.training.reading import at_first_epoch
from deconfound.training.report import Adjusted
from deconfound.training.what_was_read import WhatWasRead

from .cohort import Cohort
from .config import RecipeConfig
from .methods import adjusting_of

DRAWN_FROM = 24
"""Images that are adjusted together: donors are among them, as among those of a batch."""

SHOWN = 6


def trained_with(
    run: RunFolder, method: str, config: RecipeConfig, cohort: Cohort, pack: PromptPack
) -> tuple[Adjusted, ...]:
    """Adjust some training images as the training of a method did, and take the first few changed.

    They are spread evenly over the training set, so that none is picked by hand.

    Args:
        run: keeps what the adjustment goes by; a method without one has nothing to show.
        method: its name.
        config: settings of the run.
        cohort: the images.
        pack: says which confounders can be drawn, and names classes.

    Raises:
        RunFolderError: what was kept is damaged, or of other settings or images.
    """
    path = run.what_was_read(method)
    if not path.exists():
        return ()
    told = WhatWasRead.kept(path, adjusting_of(method, config), len(cohort.train))
    at_first_epoch(cohort.train)
    step = max(1, len(cohort.train) // DRAWN_FROM)
    rows = list(range(0, len(cohort.train), step))[:DRAWN_FROM]
    found = default_collate([cohort.train[row] for row in rows])
    made = adjustment_by(told, pack).apply(found, rows, config.seed)
    changed = (made["image"] != found["image"]).flatten(1).any(dim=1)
    return tuple(
        Adjusted(
            title=_title(found, i, cohort, pack),
            image=found["image"][i].numpy(),
            truth=found["mask"][i].numpy(),
            made_image=made["image"][i].numpy(),
            made_truth=made["mask"][i].numpy(),
        )
        for i in torch.nonzero(changed)[:SHOWN, 0].tolist()
    )


def _title(batch: dict[str, torch.Tensor], row: int, cohort: Cohort, pack: PromptPack) -> str:
    index = int(batch["class_index"][row])
    lesion = pack.class_names[index].capitalize() if index >= 0 else "Lesion"
    return f"{lesion}, {cohort.sites[int(batch['site_index'][row])]}"
