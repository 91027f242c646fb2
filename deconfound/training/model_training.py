"""One model on its way from training images to its best weights: every step, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from deconfound.training.adjusting import adjustment_by, read_images
from deconfound.training.adjustment import Adjustment, AdjustmentSettings
from deconfound.training.distributed import Fabric, by_the_first
from deconfound.training.engine import fit
from deconfound.training.fitting import fit_parts
from deconfound.training.history import History
from deconfound.training.loading import ImageDataset, require_images
from deconfound.training.priors import fit_prior
from deconfound.training.progress import Watcher
from deconfound.training.reading import Watch
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings
from deconfound.training.what_was_read import WhatWasRead


@dataclass(frozen=True, slots=True)
class ModelTraining:
    """The training of one model, or the rest of one that was interrupted.

    ``train(prepare())`` is all of it:

        images ─► fit_prior ─► fit_parts ─► read_images ─► adjustment_by ─► fit ─► best weights

    P(z) comes first, as what says which confounder an image shows says it under P(z); then parts,
    as images are read through them. What was read for the adjustment is kept before the first step,
    and a resumed training goes by it. In between, a caller may say what it was
    (`Adjustment.notes`).

    Attributes:
        model: a :class:`~deconfound.CausalSegmenter` that is not trained yet; left on the device,
            with the best weights.
        criterion: what is minimised, see :func:`~deconfound.training.fit`.
        train_set: training images.
        val_set: held-out patients of the training sites, by which the best epoch is chosen.
        settings: of the loop.
        run: where checkpoints and metrics go.
        fabric: from :func:`~deconfound.training.launch`.
        adjusting: how training adjusts for confounders; not at all by default.
        method: name of the model in the run folder.
        reads_prior: whether the dictionary's P(z) is read in the training images; it keeps its own
            by default.
    """

    model: Any
    criterion: nn.Module
    train_set: ImageDataset
    val_set: ImageDataset
    settings: TrainingSettings
    run: RunFolder
    fabric: Fabric
    adjusting: AdjustmentSettings = field(default_factory=AdjustmentSettings.off)
    method: str = "model"
    reads_prior: bool = False

    def prepare(self, progress: Watch | None = None) -> Adjustment:
        """Fit P(z) and parts to the training images; read in these, once, how training adjusts.

        Args:
            progress: called with how many images were seen, and of how many; from the start for
                each part and each reading.

        Raises:
            ConfigurationError: as `fit_prior` and `read_images` do.
            DataError: no images, or such that a part cannot be made of.
            RunFolderError: what was kept is damaged, or of other settings or images.
        """
        require_images(self.train_set, "training")
        self.fabric.to_device(self.model)  # where it sees the images
        if self.reads_prior:
            fit_prior(self.model, self.train_set, progress)
        fit_parts(self.model, self.train_set, progress)
        return adjustment_by(self._told(progress), self.model.pack)

    def _told(self, progress: Watch | None) -> WhatWasRead:
        """Return what was kept; where there is nothing yet, read, and keep it.

        Every process goes by the first one's reading, so that all draw the same images.
        """
        path = self.run.what_was_read(self.method)
        if not self.fabric.broadcast(path.exists()):
            images, pack = self.train_set, self.model.pack
            told = read_images(self.adjusting, self.model, images, pack, progress)
            by_the_first(self.fabric, lambda: told.keep(path))
        return WhatWasRead.kept(path, self.adjusting, self.train_set)

    def train(self, adjustment: Adjustment, watcher: Watcher | None = None) -> History:
        """Train, or go on after the last finished epoch; see :func:`~deconfound.training.fit`.

        Args:
            adjustment: from `prepare`.
            watcher: who is told; nobody by default.
        """
        return fit(
            self.model,
            self.criterion,
            self.train_set,
            self.val_set,
            self.settings,
            self.run,
            watcher,
            method=self.method,
            fabric=self.fabric,
            adjustment=adjustment,
        )
