"""`python -m recipes.mini_vlm train|evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from deconfound.cli import run
from deconfound.extras import missing_extra
from deconfound.flags import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the user can mend is one sentence and status 2."""
    return run(lambda: _command(arguments))


def _command(arguments: Sequence[str] | None) -> None:
    try:
        from .commands import Command
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name).partition(".")[0], "the command line") from error
    words = sys.argv[1:] if arguments is None else arguments
    parse(Command, words, f"python -m {__package__}")()  # type: ignore[arg-type]  # it is a union


if __name__ == "__main__":
    sys.exit(main())
