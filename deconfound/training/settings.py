"""Everything the loop can be told, as one frozen record; every field can be a flag."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from deconfound.settings import Settings
from deconfound.training.schedule import LearningRateSchedule, Schedule


class TrainingSettings(Settings):
    """How to train.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step and process.
        lr: learning rate of AdamW; the paper profile sets the paper's 0.005 (docs/decisions.md).
        tower_lr_factor: the vision tower's learning rate as a share of ``lr``; 0 leaves its
            weights as they are; use train_tower to freeze it.
        weight_decay: AdamW's decoupled weight decay.
        lr_schedule: ``cosine`` with a short warm-up, or ``constant`` as in the paper.
        warmup: share of the steps spent rising, cosine only.
        gradient_clip: largest norm of the gradient; None leaves it alone.
        intervention_start: share of the epochs before intervention and causal loss turn on.
        precision: ``32-true`` or ``bf16-mixed``.
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``; a run may be resumed on another.
        devices: processes per node, or ``auto`` for all devices there are.
        num_nodes: machines.
        seed: epoch order, initialisation and augmentation follow from it.
        workers: processes that load data; 0 loads in the training process.
        deterministic: use deterministic kernels, so that a resumed run ends at the same bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(50, ge=1)
    batch_size: int = Field(16, ge=1)
    lr: float = Field(1e-4, gt=0)
    tower_lr_factor: float = Field(0.01, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    lr_schedule: LearningRateSchedule = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: Annotated[float, Field(gt=0)] | None = 1.0
    intervention_start: float = Field(0.2, ge=0, le=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    num_nodes: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)
    workers: int = Field(0, ge=0)
    deterministic: bool = True

    @property
    def schedule(self) -> Schedule:
        """When the intervention starts."""
        return Schedule(self.epochs, self.intervention_start)


#: Settings that may change between a run and its resumption: they say where, not what is learned.
#: A checkpoint knows no device; on another accelerator a run goes on, though to other bits.
HARMLESS = frozenset({"workers", "accelerator"})
