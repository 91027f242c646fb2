"""The command line: errors are one sentence, and leave with status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from deconfound.cli import run
from deconfound.errors import unknown_name
from deconfound.extras import missing_extra

COMMANDS = {
    "train": "train the methods on all sites but one, and report on that one",
    "report": "write the report of a finished run again; --no-pictures leaves images out",
    "evaluate": "score a run's models again, on the held-out site or on other images",
    "refute": "try to refute a run's adjustment; --retrain trains it again to ask",
    "predict": "write masks and overlays for images",
    "sites": "say what lies in a folder of datasets",
    "table": "main, lesions: every method on every held-out site, several seeds",
    "ablate": "modules, dictionary, depth: take a method apart",
    "figure": "tsne, qualitative: look at what was learned",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        print(f"error: {unknown_name('command', name, COMMANDS)}", file=sys.stderr)
        return 2
    return run(lambda: _command(name)(rest))


def _command(name: str) -> Callable[[Sequence[str]], int | None]:
    """Import a command, and with it what it needs.

    Raises:
        ConfigurationError: a library that it needs is not installed.
    """
    of_studies = name in ("table", "ablate", "figure")
    module, function = (".study.commands", name) if of_studies else (f".{name}", "main")
    try:
        return getattr(import_module(module, __package__), function)
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name).partition(".")[0], f"the command {name}") from error


def _usage() -> str:
    lines = [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    program = f"python -m {__package__}"
    usage, more = f"usage: {program} COMMAND [flags]", f"{program} COMMAND --help lists its flags."
    return "\n".join([usage, "", *lines, "", more])


if __name__ == "__main__":
    sys.exit(main())
