"""The flags of ``deconfound refute``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from deconfound.errors import ConfigurationError
from deconfound.extras import missing_extra
from deconfound.flags import parse as read
from deconfound.settings import Settings

try:
    import tyro
except ImportError as error:
    raise missing_extra("tyro", "deconfound refute") from error


class RefuteFlags(Settings):
    """Is the adjustment of a trained model real?

    The models of a run are only run again; ``--retrain`` trains the method again for every
    dictionary, which answers for the method and costs as much as that many trainings.

    Attributes:
        run: run folder that `train` made.
        method: whose model; by default the last one trained.
        data: manifest.csv, or `rendered`; by default the images of the run.
        bgr: sites whose files store blue first; by default those of the run.
        site: which site; by default the run's held-out one.
        images: at most this many.
        seeds: draws per refuter, and trainings of each.
        retrain: train again for every dictionary and draw.
        decisive: leave out what describes a part of the dictionary.
        batch_size: images at once.
        accelerator: where the model is run again, by default where it can be fastest; `--retrain`
            trains where the run did.
        vlm: whose text tower words the placebos; by default the run's.
        text: ask also what needs a text tower.
        json_output: print JSON (--json).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Annotated[Path, tyro.conf.Positional]
    method: str | None = None
    data: str | None = None
    bgr: tuple[str, ...] = ()
    site: str | None = None
    images: int = Field(default=120, ge=1)
    seeds: int = Field(default=3, ge=1)
    retrain: bool = False
    decisive: bool = False
    batch_size: int = Field(default=16, ge=1)
    accelerator: Literal["auto", "cpu", "cuda", "mps"] | None = None
    vlm: str | None = None
    text: bool = True
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False


def parse(arguments: Sequence[str], program: str) -> RefuteFlags:
    """Read the command line; a wrong flag exits with status 2 and suggests similar flags.

    Args:
        arguments: the words.
        program: what the command is called.

    Raises:
        ConfigurationError: a number below 1, and flags that make others ineffective.
    """
    flags = read(RefuteFlags, arguments, program)
    _refuse_ignored(flags)
    return flags


def _refuse_ignored(flags: RefuteFlags) -> None:
    """Refuse flags that another flag makes ineffective."""
    for flag, given, other, ignored in (
        ("--vlm", flags.vlm, "--no-text", not flags.text),
        ("--accelerator", flags.accelerator, "--retrain", flags.retrain),
    ):
        if given and ignored:
            raise ConfigurationError(
                f"{flag} {given}: expected no {other}, which makes it ineffective, found both; "
                f"leave one of them out"
            )
