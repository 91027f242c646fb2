"""The ``deconfound`` command, and what every command of ours does with an error."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import NoReturn

from deconfound.bundled import recipe_module
from deconfound.errors import DeconfoundError, unknown_name


def run(command: Callable[[], int | None]) -> int:
    """Run a command; turn what the user can mend into one sentence and status 2.

    Returns:
        What the command returns, 0 if nothing; or 2 after a mistake, or 130 after an interruption.
    """
    status = 0
    try:
        status = command() or 0
        sys.stdout.flush()  # here, and not at exit, where nobody would catch a closed pipe
    except DeconfoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has gone; there is nobody left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"packs": _packs, "lint": _lint}
    programs = {program.words[0]: program.purpose for program in PROGRAMS}
    known = [*commands, *programs]
    if words and not words[0].startswith("-") and words[0] not in known:
        print(f"error: {unknown_name('command', words[0], known)}", file=sys.stderr)
        return 2
    if words and words[0] in programs:
        return _program(words)
    parser = _Parser(
        prog="deconfound",
        description="Named confounders, causal adjustment. Training lives in the recipes: "
        f"python -m {recipe_module('endoscopy_mcdrl')} train.",
    )
    choices = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, purpose in programs.items():  # for the help; they read their own flags
        choices.add_parser(name, help=purpose)
    packs = choices.add_parser("packs", help="list the prompt packs that are found")
    lint = choices.add_parser("lint", help="look a prompt pack over")
    lint.add_argument("pack", help="name or path of a pack")
    for each in (packs, lint):
        each.add_argument("--json", action="store_true", help="print JSON")
    options = parser.read(words)
    return run(lambda: commands[options.command](options))


@dataclass(frozen=True, slots=True)
class Program:
    """A command with flags of its own.

    Attributes:
        words: by which it is called: one, or one and a sub-command.
        module: which has its ``main``, and is loaded when it is called.
        purpose: in a few words.
    """

    words: tuple[str, ...]
    module: str
    purpose: str


PROGRAMS = (
    Program(("refute",), "deconfound.refuting.command", "try to refute a run's adjustment"),
    Program(
        ("benchmark", "causal"),
        "deconfound.benchmark.causal",
        "causal: train small models in worlds whose P(Y|do(F)) is known; who adjusts?",
    ),
)
"""Every one of them; those that begin with the same word are its sub-commands."""


def _program(words: Sequence[str]) -> int:
    """Hand the words that follow a command over to its own module."""
    alike = [program for program in PROGRAMS if program.words[0] == words[0]]
    called = next((one for one in alike if [*one.words] == words[: len(one.words)]), None)
    if called is not None:
        return run(lambda: import_module(called.module).main(words[len(called.words) :]))
    if words[1:] and words[1] in ("-h", "--help"):
        for one in alike:
            call = f"deconfound {' '.join(one.words)}"
            print(f"usage: {call} [flags]\n\n{one.purpose}\n\n{call} --help lists its flags.")
        return 0
    known = " or ".join(f"deconfound {' '.join(one.words)}" for one in alike)
    given = f"{words[1]!r}" if len(words) > 1 else "nothing"
    print(f"error: expected {known}, found {given} after {words[0]}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    """argparse, answering a wrong flag with the near one."""

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what the words say, or leave with status 2."""
        options, rest = self.parse_known_args(words)
        if rest:
            extra = f"expected nothing more, found {rest[0]!r}; leave it out"
            flag = rest[0].startswith("-")
            said = unknown_name("flag", rest[0], ["--json", "--help"]) if flag else extra
            print(f"error: {said}", file=sys.stderr)
            self.exit(2)
        return options

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with status 2."""
        self.exit(2, f"error: {message}; {self.prog} --help lists what there is\n")


def _packs(options: argparse.Namespace) -> None:
    from deconfound.packs import PromptPack, available_packs

    found = {name: (path, PromptPack.load(path)) for name, path in available_packs().items()}
    if options.json:
        packs = {n: {"path": str(path), **pack.to_mapping()} for n, (path, pack) in found.items()}
        print(json.dumps(packs, indent=2))
        return
    for name, (path, pack) in found.items():
        classes, confounders = len(pack.class_names), len(pack.confounder_names)
        print(f"{name}: {classes} classes, {confounders} confounders, {path}")


def _lint(options: argparse.Namespace) -> None:
    from deconfound.packs import PromptPack
    from deconfound.packs import lint as look_over

    pack = PromptPack.load(options.pack)
    findings = look_over(pack)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    for finding in findings:
        print(f"{finding.rule}: {finding.message}")
    print(f"{pack.name}: valid, {len(findings)} remarks")


if __name__ == "__main__":
    sys.exit(main())
