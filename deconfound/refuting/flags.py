"""The flags of ``deconfound refute``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from deconfound.errors import ConfigurationError


def parse(arguments: Sequence[str], program: str, description: str | None) -> argparse.Namespace:
    """Read the words of the command line.

    Args:
        arguments: the words.
        program: what the command is called, for help and errors.
        description: of the command, for its help.

    Raises:
        ConfigurationError: words that are no flags, and flags that leave others nothing to say.
    """
    options = _parser(program, description).parse_args(list(arguments))
    _refuse_unheard(options)
    return options


class _Parser(argparse.ArgumentParser):
    """argparse, whose complaints are our errors."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"refute: {message}; {self.prog} --help lists what there is")


def _parser(program: str, description: str | None) -> _Parser:
    parser = _Parser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("run", help="run folder that `train` made")
    parser.add_argument("--method", help="whose model; default: the last one trained")
    parser.add_argument("--data", help="manifest.csv, or `rendered`; default: as the run")
    parser.add_argument(
        "--bgr",
        nargs="+",
        default=[],
        help="sites whose files store blue first; default: as run",
    )
    parser.add_argument("--site", help="which site; default: the run's held-out one")
    parser.add_argument("--images", type=_positive, default=120, help="at most so many (120)")
    parser.add_argument(
        "--seeds", type=_positive, default=3, help="draws per refuter, and trainings of each (3)"
    )
    parser.add_argument(
        "--retrain", action="store_true", help="train again for every dictionary and draw"
    )
    parser.add_argument(
        "--decisive", action="store_true", help="leave out what describes a part of the dictionary"
    )
    parser.add_argument("--batch-size", type=_positive, default=16, help="images at once (16)")
    parser.add_argument(
        "--accelerator",
        choices=("auto", "cpu", "cuda", "mps"),
        help="where the model is run again (auto); --retrain trains where the run did",
    )
    parser.add_argument("--vlm", help="whose text tower words the placebos; default: the run's")
    parser.add_argument("--no-text", action="store_true", help="leave out what needs a text tower")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _positive(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {word!r}")
    return int(word)


def _refuse_unheard(options: argparse.Namespace) -> None:
    """Refuse flags of which another flag hears nothing."""
    for flag, given, other, unheard in (
        ("--vlm", options.vlm, "--no-text", options.no_text),
        ("--accelerator", options.accelerator, "--retrain", options.retrain),
    ):
        if given and unheard:
            raise ConfigurationError(
                f"{flag} {given}: expected no {other}, which leaves nothing for it to say, found "
                f"both; leave one of them out"
            )
