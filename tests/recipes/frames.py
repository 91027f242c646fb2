"""Results as a study has them, made up."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from recipes.endoscopy_mcdrl.study.cells import Cell, CellRecord


def made_up(
    dice: dict[str, float], backbones: Sequence[str] = ("mini",), setting: str = "{}"
) -> pd.DataFrame:
    """Frames of one site and two seeds, every frame of a method scoring the same."""
    rows = [
        {"method": m, "title": m, "backbone": backbone, "holdout": "A", "seed": seed,
         "setting": setting, "image": str(image), "group": str(image // 2), "lesion": "polyp",
         "dice": value, "iou": value, "acc": 1.0, "hd95": 1.0, "nsd": value,
         "tp": 1, "fp": 0, "fn": 0, "tn": 1}
        for m, value in dice.items() for backbone in backbones
        for seed in (0, 1) for image in range(8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


class Finished:
    """A store that knows finished cells, and holds nothing of them."""

    def __init__(self) -> None:
        self.records: dict[Cell, CellRecord] = {}

    def finish(self, record: CellRecord) -> None:
        self.records[record.cell] = record

    def is_finished(self, cell: Cell) -> bool:
        return cell in self.records

    def record(self, cell: Cell) -> CellRecord:
        return self.records[cell]
