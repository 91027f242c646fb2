"""How the values in a mask file become class indices: one rule per habit of the field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deconfound.errors import DataError

THRESHOLD = 127
DOUBTFUL = (64, 192)
MAX_DOUBTFUL_SHARE = 0.05


class MaskRule(ABC):
    """Turns what a mask file holds into class indices.

    Attributes:
        brightness: read a palette image by the brightness of its colours, rather than by its
            indices.
    """

    brightness: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, values: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Read one mask.

        Args:
            values: (H, W), as the file holds them.
            path: the file, for errors.

        Returns:
            (H, W) uint8; 0 is background.

        Raises:
            DataError: values that the rule does not know.
        """


@dataclass(frozen=True, slots=True)
class BinaryMask(MaskRule):
    """Lesion or not.

    Files with the values {0, 1} are taken as they are. Any other is a greyscale picture, such as
    {0, 255}, a JPEG with its ringing, or a mask that was resized with interpolation, and is cut at
    127. What is neither is refused rather than cut into something plausible: a file whose
    brightest value is below 128 (a label map), or with more than 5 % of its pixels between 64 and
    192.
    """

    brightness: ClassVar[bool] = True

    def __call__(self, values: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Return 1 for the lesion; see the class for what is accepted."""
        top = int(values.max(initial=0))
        if top <= 1:
            return values.astype(np.uint8)
        if top > 255:  # 16 bits
            values = values // 257
            top = int(values.max())
        doubtful = float(((values > DOUBTFUL[0]) & (values < DOUBTFUL[1])).mean())
        if top <= THRESHOLD or doubtful > MAX_DOUBTFUL_SHARE:
            raise DataError(
                f"{path}: expected a binary mask (0 and 1, or black and white), found "
                f"{_listed(np.unique(values))}; if these are labels, say which are the lesion"
            )
        return (values > THRESHOLD).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class NamedMask(MaskRule):
    """The lesion of an image whose class is named: lesion or not, or a map of one label.

    A mask that was drawn for several classes holds 0 and the label of its own, whichever it is. The
    class is known by its name, and the label is not asked, as long as it is below 64: a brighter
    one is a grey, which means nothing. Of any other file, see `BinaryMask`.
    """

    brightness: ClassVar[bool] = True

    def __call__(self, values: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Return 1 for the lesion."""
        labels = values[values > 0]
        if labels.size and labels.max() < DOUBTFUL[0] and labels.min() == labels.max():
            return (values > 0).astype(np.uint8)
        return BinaryMask()(values, path)


@dataclass(frozen=True, slots=True)
class LabelMask(MaskRule):
    """A label map of which some labels are the lesion.

    Args:
        lesion: labels that become 1.
        known: every label the dataset uses; others are refused. None accepts any.
    """

    lesion: tuple[int, ...]
    known: tuple[int, ...] | None = None

    def __call__(self, values: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Return 1 where the label is one of the lesion's."""
        if self.known is not None:
            _refuse_others(values, self.known, path)
        return np.isin(values, self.lesion).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class ClassMask(MaskRule):
    """0 for background, 1…K for the lesion classes in the order of the pack.

    Args:
        num_classes: K
    """

    num_classes: int

    def __call__(self, values: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Return the values, once they are known to be classes."""
        _refuse_others(values, range(self.num_classes + 1), path)
        return values.astype(np.uint8)


def _refuse_others(values: NDArray[np.integer], known: tuple[int, ...] | range, path: Path) -> None:
    others = np.setdiff1d(values, np.asarray(known))
    if others.size:
        raise DataError(
            f"{path}: expected the values {_listed(np.asarray(known))}, found also "
            f"{_listed(others)}; correct the mask or the number of classes"
        )


def _listed(values: NDArray[np.integer]) -> str:
    shown = ", ".join(str(int(value)) for value in values[:6])
    return f"{shown}, … ({values.size} values)" if values.size > 6 else shown
