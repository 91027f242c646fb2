"""``deconfound refute RUN``: is the adjustment of a trained model real?

The models of a run are only run again (`InferenceSubject`); to train them again, use
`RetrainSubject` in Python.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from deconfound.diagnostics.refuters import InferenceSubject, default_refuters, overall, refute
from deconfound.diagnostics.refuters.base import Refutation, Refuter
from deconfound.diagnostics.refuters.pictures import Pictures, from_manifest, rendered
from deconfound.errors import ConfigurationError, RunFolderError, unknown_name
from deconfound.segmenter import CausalSegmenter
from deconfound.training import RunFolder
from deconfound.training.extras import missing_extra
from deconfound.training.files import write_json

FILE = "refutation.json"


def main(arguments: Sequence[str]) -> None:
    """Refute as the flags say: prints a table or JSON, and writes ``refutation.json``.

    Raises:
        DeconfoundError: a flag, run, method or data set that cannot be used.
    """
    options = _parser().parse_args(list(arguments))
    run = RunFolder.open(options.run)
    method = _method(run, options.method)
    model = CausalSegmenter.from_pretrained(run.model_path(method))
    pictures = _pictures(run, options, model)
    subject = InferenceSubject(model, pictures.images, pictures.groups, options.batch_size)
    refuters = _refuters(run, model, options)
    seeds = range(options.seeds)
    found = _behind_a_bar(lambda bar: list(refute(subject, refuters, seeds, bar)), len(refuters))
    told = {
        "method": method,
        "images": len(pictures.images),
        "source": pictures.source,
        "mode": "inference",
        "intervening": model.intervening,
        "seeds": options.seeds,
        "verdict": overall(found),
        "refutations": [one.to_json() for one in found],
    }
    write_json(run.path / FILE, told)
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        passed_by = "" if model.intervening else " (saved before its intervention was turned on)"
        _show(found, f"{method} on {pictures.source}{passed_by}: {overall(found)}")


class _Parser(argparse.ArgumentParser):
    """argparse, whose complaints are our errors."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"refute: {message}; deconfound refute --help lists what there is")


def _parser() -> _Parser:
    parser = _Parser(prog="deconfound refute", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", help="run folder that `train` made")
    parser.add_argument("--method", help="whose model; default: the last one trained")
    parser.add_argument("--data", help="manifest.csv, or `rendered`; default: as the run")
    parser.add_argument("--site", help="which site; default: the run's held-out one")
    parser.add_argument("--images", type=_positive, default=120, help="at most so many (120)")
    parser.add_argument("--seeds", type=_positive, default=3, help="draws per refuter (3)")
    parser.add_argument("--batch-size", type=_positive, default=16, help="images at once (16)")
    parser.add_argument("--vlm", help="whose text tower words the placebos; default: the run's")
    parser.add_argument("--no-text", action="store_true", help="leave out what needs a text tower")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _positive(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {word!r}")
    return int(word)


def _method(run: RunFolder, wanted: str | None) -> str:
    """Return the method that is meant; the last one that the run names and has trained."""
    trained = [p.parent.name for p in sorted((run.path / "models").glob("*/config.json"))]
    if not trained:
        raise RunFolderError(
            f"{run.path}: expected a trained model under models/, found none; finish the run first"
        )
    if wanted is None:
        named = [m for m in run.config.get("methods", ()) if m in trained]
        return str((named or trained)[-1])
    if wanted not in trained:
        raise unknown_name(f"method of {run.path}", wanted, trained)
    return wanted


def _pictures(run: RunFolder, options: argparse.Namespace, model: CausalSegmenter) -> Pictures:
    """Return the images of the run's held-out site, or those that are asked for."""
    data = options.data or run.config.get("data") or "rendered"
    site = options.site or _held_out(run)
    size = int(run.config.get("image_size", 96))
    if data == "rendered":
        seed = int(run.config.get("seed", 0))
        return rendered(site, options.images, size, seed, model.classes > 1)
    path = Path(data)
    if path.is_dir():
        path = path / "manifest.csv"
    return from_manifest(path, site, options.images, size, model)


def _held_out(run: RunFolder) -> str | None:
    """Return the site that training never saw, as far as the run says."""
    if run.results_path.exists():
        try:
            return str(json.loads(run.results_path.read_text(encoding="utf-8"))["held_out"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{run.results_path}: expected the results of a run with `held_out`, could not "
                f"read it ({error!r}); name the site with --site"
            ) from error
    return run.config.get("holdout")


def _refuters(
    run: RunFolder, model: CausalSegmenter, options: argparse.Namespace
) -> tuple[Refuter, ...]:
    names = model.dictionary().names
    if options.no_text:
        return default_refuters(names)
    from deconfound.vlm.loading import load

    vlm = load(options.vlm or run.config.get("vlm", "mini"))
    return default_refuters(names, model.pack, vlm.encode_text)


def _behind_a_bar(work: Callable[[Callable[[int, int], None]], Any], total: int) -> Any:
    """Do work that reports (done, total), with the time that is left on standard error."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    except ImportError as error:
        raise missing_extra("rich", "deconfound refute") from error
    columns = ("refuters", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        return work(lambda done, total: bar.update(task, completed=done, total=total))


def _show(found: Sequence[Refutation], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    colours = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for column in ("refuter", "effect", "95 % interval", "verdict"):
        table.add_column(column, justify="right" if column == "effect" else "left")
    for one in found:
        asked = one.effect == one.effect
        interval = f"{one.low:+.4f} … {one.high:+.4f}" if asked else ""
        colour = colours[one.verdict]
        name = one.name if one.decisive else f"  {one.name}"
        effect = f"{one.effect:+.4f}" if asked else "–"
        table.add_row(name, effect, interval, f"[{colour}]{one.verdict}[/{colour}]")
    Console().print(table)
