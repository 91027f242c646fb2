"""What a recipe brings to the command: how its runs read images, and how they were trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deconfound.data import read_manifest
from deconfound.data.samples import Site
from deconfound.diagnostics.refuters import Training
from deconfound.segmenter import CausalSegmenter
from deconfound.training.progress import Watcher
from deconfound.training.run_folder import RunFolder

Train = Callable[[Training, Path, Watcher], CausalSegmenter]
"""From what to train with, a folder in which the training goes on if it was begun there, and who is
told of its steps, to a trained model."""

Trainer = Callable[[RunFolder, str, CausalSegmenter], Train]
"""From a run, one of its methods and that method's model to what trains it again: same settings,
same images, but for what the `Training` changes. Repetition 0 has the run's own seed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One that `deconfound refute` can be called by.

    Attributes:
        program: the words that call it, for messages.
        read_sites: from what a run's ``data`` names to the sites there.
        trainer: prepares training again; None for whoever cannot.
    """

    program: str
    read_sites: Callable[[Path], Sequence[Site]]
    trainer: Trainer | None = None


def manifest_at(path: Path) -> list[Site]:
    """Read a manifest, or the ``manifest.csv`` of a folder."""
    return read_manifest(path / "manifest.csv" if path.is_dir() else path)


ANY = Recipe("deconfound refute", manifest_at)
"""What can be done about any run, whoever made it."""
