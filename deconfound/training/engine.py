"""The loop, on Lightning Fabric: one process, several GPUs and several nodes are the same lines."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import torch
from torch import nn

from deconfound.errors import ConfigurationError, DeconfoundWarning, RunFolderError
from deconfound.training import checkpoint
from deconfound.training.adjustment import Adjustment
from deconfound.training.distributed import (
    Fabric,
    by_the_first,
    deterministic,
    launch,
    share_buffers,
)
from deconfound.training.evaluation import evaluate
from deconfound.training.history import EpochRecord, History
from deconfound.training.loading import (
    ImageDataset,
    batches,
    derived_seed,
    require_images,
    seed_everything,
    steps_per_epoch,
    training_order,
)
from deconfound.training.objective import Objective, adamw
from deconfound.training.progress import Watcher
from deconfound.training.run_folder import RunFolder
from deconfound.training.schedule import learning_rate_factor
from deconfound.training.settings import TrainingSettings

#: The criterion's terms that are averaged and written down.
TERMS = ("loss", "seg", "causal", "contrast")


def fit(
    model: nn.Module,
    criterion: nn.Module,
    train_set: ImageDataset,
    val_set: ImageDataset,
    settings: TrainingSettings,
    run: RunFolder,
    progress: Watcher | None = None,
    *,
    method: str = "model",
    fabric: Fabric | None = None,
    adjustment: Adjustment | None = None,
) -> History:
    """Train one model, or go on with a training that was interrupted.

    An epoch is the unit that is kept: after each, everything needed to go on is written in one
    atomic rename. What an epoch does follows from that state, the seed and the epoch's number
    alone, so a run killed at any moment and resumed ends with the same weights, bit for bit (on a
    GPU as far as its kernels are deterministic). Where epochs were trained and their checkpoint is
    gone, it starts over, with a warning.

    The weights kept are those of the best validation Dice among the epochs with the intervention
    on: an earlier epoch's model has not yet seen it.

    Args:
        model: a :class:`~deconfound.CausalSegmenter`, or anything with its ``trace``,
            ``normalize``, ``parameter_groups``, ``intervening`` and ``classes``; left with the
            best weights.
        criterion: ``criterion(explanation, mask, class_index, causal=...)`` gives a dict with
            ``loss`` and, as far as they apply, ``seg``, ``causal``, ``contrast``. One that says
            ``reads_sites = True`` gets ``site_index=`` (B,) too.
        train_set: training images.
        val_set: held-out patients of the *training* sites; never the held-out site.
        settings: how to train.
        run: where checkpoints and metrics go.
        progress: who is told; nobody by default.
        method: name of the model in the run folder.
        fabric: from :func:`launch`, to share between several calls; default: launch here.
        adjustment: how training adjusts for confounders, besides the model's own intervention:
            confounders set in its pictures, and weights; nothing by default.

    Returns:
        Every epoch's record, those before a resumption included.

    Raises:
        ConfigurationError: the loss or its gradient stopped being finite.
        DataError: a set is empty.
        RunFolderError: the checkpoint cannot be used or written.
    """
    fabric = fabric or launch(settings)
    require_images(train_set, "training", at_least=fabric.world_size)
    require_images(val_set, "validation")
    was_training, watcher = model.training, progress or Watcher()
    try:
        with deterministic(settings.deterministic):
            loop = _Loop(
                fabric, model, criterion, train_set, val_set, settings, run, method, adjustment
            )
            loop.restore()
            watcher.begin(method, settings.epochs, len(loop.records), loop.images_per_epoch)
            for epoch in range(len(loop.records), settings.epochs):
                watcher.epoch(loop.epoch(epoch, watcher))
    finally:
        watcher.end()
        model.train(was_training)
    loop.model.intervening = settings.schedule.intervening(settings.epochs - 1)  # as trained
    checkpoint.load_weights(run.best_checkpoint(method), model)
    return History(tuple(loop.records))


class _Loop:
    """The state of one training, and what an epoch does to it."""

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        criterion: nn.Module,
        train_set: ImageDataset,
        val_set: ImageDataset,
        settings: TrainingSettings,
        run: RunFolder,
        method: str,
        adjustment: Adjustment | None = None,
    ) -> None:
        self.adjustment = adjustment or Adjustment()
        self.adjustment.require_weights_for(len(train_set))
        self.fabric, self.settings = fabric, settings
        self.model: Any = model
        self.train_set, self.val_set = train_set, val_set
        self.run, self.method = run, method
        self.schedule = settings.schedule
        self.optimizer = adamw(model, criterion, settings)
        self.objective = Objective(model, criterion)
        self.wrapped, self.wrapped_optimizer = fabric.setup(self.objective, self.optimizer)
        self.records: list[EpochRecord] = []
        self.images_per_epoch = len(self._order(epoch=0)) * fabric.world_size
        self.steps_per_epoch = steps_per_epoch(
            len(train_set), settings.batch_size, fabric.world_size
        )

    def restore(self) -> None:
        """Go back to the last finished epoch; where it was lost, start over and say so."""
        path = self.run.last_checkpoint(self.method)
        if path.exists():
            done = checkpoint.load_state(
                path, self.objective, self.optimizer, self.settings, self.fabric.world_size
            )
            self.records = list(done)
            self._require_best()
        elif self.fabric.is_global_zero:
            self._say_what_was_lost()
        lines = [record.to_json() for record in self.records]
        by_the_first(self.fabric, lambda: self.run.restore_metrics(self.method, lines))

    def _require_best(self) -> None:
        """Refuse to go on without the best epoch's weights, which the end may ask for."""
        best = self.run.best_checkpoint(self.method)
        if any(record.best for record in self.records) and not best.exists():
            raise RunFolderError(
                f"{best}: expected the weights of the best epoch so far, found none; restore the "
                f"file, or delete {best.parent} to train this method from its first epoch"
            )

    def _say_what_was_lost(self) -> None:
        """Warn of epochs that were trained and have no checkpoint; none is silently repeated."""
        trained = [line for line in self.run.metrics() if line["method"] == self.method]
        if trained:
            warnings.warn(
                f"{self.run.last_checkpoint(self.method)}: expected the state after epoch "
                f"{len(trained)}, found none; {self.method} starts over from its first epoch",
                DeconfoundWarning,
                stacklevel=4,
            )

    def epoch(self, epoch: int, watcher: Watcher) -> EpochRecord:
        """Train one epoch, validate it, and keep its state."""
        started = time.monotonic()
        seed_everything(derived_seed(self.settings.seed, epoch, 1 + self.fabric.global_rank))
        self.model.intervening = self.schedule.intervening(epoch)
        means = self._train(epoch, watcher)
        share_buffers(self.fabric, self.model)
        result = evaluate(
            self.model,
            self.val_set,
            self.fabric,
            method=self.method,
            batch_size=self.settings.batch_size,
            workers=self.settings.workers,
        )
        scores = result.overall.mean
        record = EpochRecord(
            method=self.method,
            epoch=epoch,
            intervening=self.schedule.intervening(epoch),
            learning_rate=self._rate((epoch + 1) * self.steps_per_epoch - 1),
            **means,
            val_dice=scores.dice,
            val_iou=scores.iou,
            val_acc=scores.acc,
            best=self._is_best(epoch, scores.dice),
            images=self.images_per_epoch,
            seconds=time.monotonic() - started,
        )
        self.records.append(record)
        by_the_first(self.fabric, lambda: self._keep(record))
        return record

    def _train(self, epoch: int, watcher: Watcher) -> dict[str, float]:
        """Make the epoch's steps; return the mean of each loss term."""
        self.wrapped.train()
        if hasattr(self.train_set, "set_epoch"):
            self.train_set.set_epoch(epoch)
        order, size = self._order(epoch), self.settings.batch_size
        seed = derived_seed(self.settings.seed, epoch, 0)
        sums, steps = dict.fromkeys(TERMS, 0.0), 0
        workers, pinned = self.settings.workers, self.fabric.device.type == "cuda"
        for loaded in batches(self.train_set, order, size, workers, seed, pinned):
            chance = derived_seed(self.settings.seed, epoch, steps, 2 + self.fabric.global_rank)
            positions = order[steps * size : steps * size + size]
            batch = self.adjustment.apply(self.fabric.to_device(loaded), positions, chance)
            terms = self._step(epoch, steps, batch)
            sums = {name: sums[name] + terms[name] for name in TERMS}
            steps += 1
            watcher.step(len(batch["image"]) * self.fabric.world_size, terms["loss"])
        return {name: total / steps for name, total in sums.items()}

    def _step(self, epoch: int, step: int, batch: dict[str, Any]) -> dict[str, float]:
        """Make one optimizer step; return the loss terms, averaged over the processes."""
        for group in self.optimizer.param_groups:
            factor = self._factor(epoch * self.steps_per_epoch + step)
            group["lr"] = group["initial_lr"] * factor
        losses = self.wrapped(
            batch["image"],
            batch["mask"],
            batch["class_index"],
            batch.get("weight"),
            batch.get("site_index"),
        )
        zero = losses["loss"].new_zeros(())
        told = torch.stack([losses.get(name, zero).detach().float() for name in TERMS])
        told = torch.as_tensor(self.fabric.all_reduce(told))
        terms = dict(zip(TERMS, told.tolist(), strict=True))
        self._require_finite(terms["loss"], "loss", epoch, step)
        self.fabric.backward(losses["loss"])
        if self.settings.gradient_clip is not None:
            norm = self.fabric.clip_gradients(
                self.wrapped,
                self.wrapped_optimizer,
                max_norm=self.settings.gradient_clip,
                error_if_nonfinite=False,
            )
            self._require_finite(float(torch.as_tensor(norm)), "gradient's norm", epoch, step)
        self.wrapped_optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return terms

    def _order(self, epoch: int) -> list[int]:
        size, fabric = self.settings.batch_size, self.fabric
        return training_order(
            len(self.train_set),
            self.settings.seed,
            epoch,
            size,
            fabric.global_rank,
            fabric.world_size,
            self.adjustment.sampling_weights,
        )

    def _factor(self, step: int) -> float:
        total = self.settings.epochs * self.steps_per_epoch
        return learning_rate_factor(step, total, self.settings.lr_schedule, self.settings.warmup)

    def _rate(self, step: int) -> float:
        return self.settings.lr * self._factor(step)

    def _require_finite(self, value: float, what: str, epoch: int, step: int) -> None:
        if not math.isfinite(value):
            raise ConfigurationError(
                f"{self.method}: the {what} became {value} in epoch {epoch + 1}, step {step + 1}; "
                f"try a smaller lr (now {self.settings.lr:g}), a smaller gradient_clip (now "
                f"{self.settings.gradient_clip}), or precision 32-true (now "
                f"{self.settings.precision})"
            )

    def _is_best(self, epoch: int, dice: float) -> bool:
        # Where the intervention never starts, every epoch counts.
        first = self.schedule.first_intervening_epoch
        first = first if first < self.settings.epochs else 0
        rivals = [record.val_dice for record in self.records if record.epoch >= first]
        return epoch >= first and dice > max(rivals, default=-math.inf)

    def _keep(self, record: EpochRecord) -> None:
        """Write the best weights, then the state that counts the epoch as done, then its line.

        Killed in between, a resumed run repeats the epoch and writes the same again; the lines of
        ``metrics.jsonl`` are set right from the checkpoint.
        """
        if record.best:
            checkpoint.save_weights(self.run.best_checkpoint(self.method), self.model)
        checkpoint.save_state(
            self.run.last_checkpoint(self.method),
            self.objective,
            self.optimizer,
            self.settings,
            self.records,
            self.fabric.world_size,
        )
        self.run.append_metrics(record.to_json())
