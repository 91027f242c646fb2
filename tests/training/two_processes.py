"""Trains two methods in two processes on the CPU; run by test_distributed, never collected.

Usage: two_processes.py FOLDER [--die-at EPOCH]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from deconfound.training import (
    RunFolder,
    TrainingSettings,
    evaluate,
    fit,
    is_main_process,
    launch,
)
from training.standin import Disks, SmallCriterion, SmallSegmenter


class Deadly:
    def __init__(self, epoch: int) -> None:
        self.last = epoch

    def begin(self, *_: Any) -> None: ...

    def step(self, images: int, loss: float) -> None: ...

    def epoch(self, record: Any) -> None:
        if record.epoch == self.last:
            os._exit(9)

    def end(self) -> None: ...


def main() -> None:
    torch.set_num_threads(1)
    settings = TrainingSettings(
        epochs=4, batch_size=2, lr=1e-2, accelerator="cpu", devices=2, intervention_start=0.5
    )
    begun = Path(sys.argv[1]).exists()
    run = RunFolder.create(sys.argv[1], {"epochs": 4}, resume=begun)
    die = Deadly(int(sys.argv[3])) if len(sys.argv) > 2 else None
    results = []
    for number, method in enumerate(("baseline", "mcdrl")):
        model = SmallSegmenter(seed=number)
        fit(model, SmallCriterion(), Disks(12), Disks(5, seed=1), settings, run, die, method=method)
        fabric = launch(settings)
        assert fabric.world_size == 2
        score = evaluate(model, Disks(7, seed=2), fabric, method=method, site_names=("a", "b", "c"))
        results.append(score.to_json())
    if is_main_process():
        run.write_results(results)


if __name__ == "__main__":
    main()
