"""The command line: errors are one sentence, and leave with status 2."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from deconfound.errors import DeconfoundError

COMMANDS = {
    "train": "train the methods on all sites but one, and report on that one",
    "evaluate": "score a run's models again, on the held-out site or on other images",
    "predict": "write masks and overlays for images",
    "sites": "say what lies in a folder of datasets",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}."
        print(f"error: unknown command {name!r}; {hint}", file=sys.stderr)
        return 2
    return run(lambda: import_module(f".{name}", __package__).main(rest))


def run(command: Callable[[], None]) -> int:
    """Run a command and turn what the user can mend into one sentence and status 2."""
    try:
        command()
    except DeconfoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was finished is kept, and train --resume goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone; there is nobody left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _usage() -> str:
    lines = [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    program = f"python -m {__package__}"
    usage, more = f"usage: {program} COMMAND [flags]", f"{program} COMMAND --help lists its flags."
    return "\n".join([usage, "", *lines, "", more])


if __name__ == "__main__":
    sys.exit(main())
