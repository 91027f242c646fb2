"""What the training images said before the first step, as a run keeps it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from deconfound.data.which_images import which_images
from deconfound.errors import RunFolderError
from deconfound.settings import WrongValueError
from deconfound.training.adjustment import AdjustmentSettings
from deconfound.training.files import write_json
from deconfound.training.loading import ImageDataset
from deconfound.training.same_settings import refuse_other_settings


class WhatWasRead(BaseModel):
    """What an adjustment takes from the training images.

    Read again, it would differ in its last digits on another kind of processor, and with it the
    order in which images are drawn: a training that is resumed goes by what was kept.

    Attributes:
        settings: what was asked for.
        images: how many were read.
        which: digest of what is known of them (`which_images`); None where nobody knows.
        weights: one for each image, exactly as float32 has it; None weighs all alike.
        temperature: of the reading that the weights are from; None without weights.
        transplant: share of the pictures whose lesion is transplanted.
        margin: of the transplants, in diameters.
        restyle: share of the pictures that are restyled.
        notes: what a reader of the run should know, a sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: AdjustmentSettings
    images: int
    which: str | None
    weights: tuple[float, ...] | None
    temperature: float | None
    transplant: float
    margin: float
    restyle: float
    notes: tuple[str, ...]

    def keep(self, path: Path) -> None:
        """Write it as JSON; the folder is made where it is missing.

        Raises:
            RunFolderError: the file cannot be written.
        """
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def kept(cls, path: Path, settings: AdjustmentSettings, images: ImageDataset) -> WhatWasRead:
        """Read back what was kept for a training.

        Args:
            path: of the file.
            settings: what is asked for now.
            images: the training images that there are now.

        Raises:
            RunFolderError: the file cannot be read, or is of other settings or images.
        """
        try:
            found = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError, WrongValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise RunFolderError(
                f"{path}: expected what was read in the training images, could not read it "
                f"({reason}); restore the file, or delete it to have the images read again"
            ) from error
        then, now = found.settings.model_dump(), settings.model_dump()
        refuse_other_settings(path, "adjustment that is resumed", then, now)
        found._require_same(path, images)
        return found

    def _require_same(self, path: Path, images: ImageDataset) -> None:
        """Refuse images that are others, as far as their number and what is known of them tell."""
        which = which_images(images)
        others = None not in (which, self.which) and which != self.which
        if len(images) != self.images or others:
            there = len(images) if len(images) != self.images else "as many others"
            raise RunFolderError(
                f"{path}: expected the {self.images} training images that the training was begun "
                f"with, found {there}; give the same images, or choose another --out"
            )
