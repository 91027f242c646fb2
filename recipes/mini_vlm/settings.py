"""What decides the weights."""

from __future__ import annotations

from dataclasses import dataclass

from deconfound.errors import ConfigurationError


@dataclass(frozen=True)
class Settings:
    """Of a training run; the bundled weights had these, and 31 minutes.

    Attributes:
        steps: optimiser steps.
        minutes: training time after which the schedule is at its end as well, 0 for no such limit;
            with it the number of steps, and so the weights, depend on the machine.
        batch_size: pictures a step; as many captions are written for them.
        processes: that share a step, a core each.
        pictures: how many are rendered; they are met again, turned and mirrored.
        matrix_lr: of the blocks' matrices, by Muon; highest after a warm-up, then a cosine to zero.
        lr: of everything else, by AdamW; likewise.
        weight_decay: of the blocks' matrices.
        dropped: share of patches left out of a picture at first.
        apart_from: share of the schedule after which locations are taught by their own windows.
        kept: patches of 16 that are then kept in a window.
        whole: share of the schedule, at the end, in which pictures are seen whole.
        place_weight: of the loss over single locations.
        agreement_weight: of the difference between a location and the same with its window apart.
        seed: of pictures, captions and weights.
    """

    steps: int = 6000
    minutes: float = 0.0
    batch_size: int = 64
    processes: int = 2
    pictures: int = 30_000
    matrix_lr: float = 3e-3
    lr: float = 1e-3
    weight_decay: float = 0.05
    dropped: float = 0.75
    apart_from: float = 0.5
    kept: int = 6
    whole: float = 0.15
    place_weight: float = 2.0
    agreement_weight: float = 20.0
    seed: int = 0

    def check(self) -> None:
        """Raise ConfigurationError for a number that cannot work."""
        for name, low, high in (
            ("steps", 1, 1e9),
            ("minutes", 0, 1e6),
            ("batch_size", self.processes, 1e6),
            ("processes", 1, 1024),
            ("pictures", self.batch_size, 1e9),
            ("matrix_lr", 1e-9, 10),
            ("lr", 1e-9, 10),
            ("weight_decay", 0, 10),
            ("dropped", 0, 0.95),
            ("apart_from", 0, 1),
            ("kept", 1, 16),
            ("agreement_weight", 0, 1e6),
            ("whole", 0, 1),
            ("place_weight", 0, 1e6),
            ("seed", 0, 2**31),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigurationError(
                    f"--{name.replace('_', '-')} must lie between {low:g} and {high:g}, "
                    f"found {value:g}; choose another"
                )
