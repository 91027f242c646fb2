"""`python -m recipes.mini_vlm train|evaluate`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from deconfound.cli import run

from .settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the user can mend is one sentence and status 2."""
    options = _parser().parse_args(arguments)
    return run(lambda: options.run_command(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recipes.mini_vlm", description=__doc__)
    commands = parser.add_subparsers(required=True)

    train = commands.add_parser("train", help="render, train, export")
    for field in fields(Settings):
        flag = "--" + field.name.replace("_", "-")
        kind = type(field.default)
        train.add_argument(flag, type=kind, default=field.default, help="%(default)s")
    train.add_argument("--run", type=Path, default=Path("runs/mini_vlm"), help="%(default)s")
    train.add_argument("--out", type=Path, help="where the model is written; RUN/model by default")
    train.add_argument("--threads", type=int, help="of each process; 1 by default if several")
    train.set_defaults(run_command=_train)

    evaluate = commands.add_parser("evaluate", help="zero-shot figures on unseen renders")
    evaluate.add_argument("--vlm", default="mini", help="any model, as elsewhere")
    evaluate.add_argument("--pack", default="endoscopy")
    evaluate.add_argument("--n", type=int, default=1000, help="pictures for each figure")
    evaluate.add_argument("--seed", type=int, default=10_000, help="not that of training")
    evaluate.add_argument("--json", action="store_true", help="print JSON and nothing else")
    evaluate.set_defaults(run_command=_evaluate)
    return parser


def _train(options: argparse.Namespace) -> None:
    import torch

    from .train import train

    if options.threads:
        torch.set_num_threads(options.threads)
    settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
    out = options.out or options.run / "model"
    print(f"wrote {train(settings, options.run, out, options.threads or 1)}")


def _evaluate(options: argparse.Namespace) -> None:
    from .evaluate import as_mapping, evaluate
    from .show import progress, table

    with progress("reading", 3 * options.n, quiet=options.json) as tick:
        figures = evaluate(options.vlm, options.n, options.seed, options.pack, tick)
    if options.json:
        about = {"vlm": options.vlm, "pack": options.pack, "n": options.n, "seed": options.seed}
        print(json.dumps({**about, "figures": as_mapping(figures)}, indent=2))
    else:
        table(figures)


if __name__ == "__main__":
    sys.exit(main())
