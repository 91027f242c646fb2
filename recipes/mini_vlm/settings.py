"""What decides the weights."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from deconfound import settings
from deconfound.settings import WrongValueError


class Settings(settings.Settings):
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

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=6000, ge=1)
    minutes: float = Field(default=0.0, ge=0, le=1e6)
    batch_size: int = Field(default=64, ge=1)
    processes: int = Field(default=2, ge=1, le=1024)
    pictures: int = Field(default=30_000, ge=1)
    matrix_lr: float = Field(default=3e-3, gt=0, le=10)
    lr: float = Field(default=1e-3, gt=0, le=10)
    weight_decay: float = Field(default=0.05, ge=0, le=10)
    dropped: float = Field(default=0.75, ge=0, le=0.95)
    apart_from: float = Field(default=0.5, ge=0, le=1)
    kept: int = Field(default=6, ge=1, le=16)
    whole: float = Field(default=0.15, ge=0, le=1)
    place_weight: float = Field(default=2.0, ge=0, le=1e6)
    agreement_weight: float = Field(default=20.0, ge=0, le=1e6)
    seed: int = Field(default=0, ge=0, le=2**31)

    @model_validator(mode="after")
    def _batches(self) -> Self:
        """Refuse batches that leave a process without a picture, or ask for more than there are."""
        if not self.processes <= self.batch_size <= self.pictures:
            expected = f"{self.processes} (processes) to {self.pictures} (pictures)"
            raise WrongValueError("batch_size", f"expected {expected}, found {self.batch_size}")
        return self
