"""``train``: every method on all sites but one, then the table and the report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from deconfound import CausalSegmenter
from deconfound.errors import ConfigurationError
from deconfound.packs import PromptPack
from deconfound.refuting.maker import sign
from deconfound.training import (
    MethodResult,
    RunFolder,
    TrainingProgress,
    evaluate,
    launch,
    results_json,
    results_table,
)
from deconfound.training.counting import counting
from deconfound.training.distributed import Fabric, by_the_first
from deconfound.training.settings import HARMLESS

from .cohort import Cohort, assemble
from .config import RecipeConfig
from .console import note, note_ignored
from .flags import parse_config
from .methods import build_model, build_training, intervenes, require_methods, title_of
from .parts import require_parts
from .reporting import Trained, report, unfamiliar
from .same_pack import keep_pack
from .unread import refuse_unread

# What may differ between a run and its resumption.
MAY_DIFFER = HARMLESS | {"resume", "out", "json_output", "pictures", "config"}


def main(arguments: Sequence[str]) -> None:
    """Train as the flags say."""
    config = parse_config(arguments, "train")
    console = Console(stderr=True)
    started = time.monotonic()
    require_methods(config.methods)
    pack = PromptPack.load(config.pack)
    require_parts(config, pack)
    refuse_unread(config)
    _introduce(config, pack, console)
    fabric = launch(config)
    out = fabric.broadcast(_place(config))  # a default holds the time, which processes read apart
    asked = config.model_dump(mode="json")
    usual = RecipeConfig.usual()
    RunFolder.require_free(out, config.resume, asked, MAY_DIFFER, usual)
    fabric.barrier()  # nobody looks at the place after somebody has made the folder
    models = {method: build_model(method, config, pack) for method in config.methods}
    cohort = counting(console, "images", lambda progress: assemble(config, pack, progress))
    run = RunFolder.create(out, asked, config.resume, MAY_DIFFER, usual)
    by_the_first(fabric, lambda: sign(run, str(__package__)))
    begun = config.resume and run.begun
    by_the_first(fabric, lambda: keep_pack(run.path, pack, begun))
    note(console, f"sites      {cohort.source}")
    note_ignored(console, cohort.ignored)
    note(console, f"held out   {cohort.holdout}, which training never sees; epochs are chosen on")
    note(console, f"           {_chosen_on(config, cohort)}")
    note(console, f"run folder {run.path}")
    trained = [
        _train_one(method, model, config, cohort, run, fabric, console)
        for method, model in models.items()
    ]
    results = [one.result for one in trained]
    if not fabric.is_global_zero:
        return
    remarks = {one.result.method: one.remarks for one in trained}
    run.write_results({"held_out": cohort.holdout, **results_json(results), "adjusting": remarks})
    report(run, config, cohort, pack, trained, console)
    _conclude(config, run, cohort, results, time.monotonic() - started)


def _train_one(
    method: str,
    model: CausalSegmenter,
    config: RecipeConfig,
    cohort: Cohort,
    run: RunFolder,
    fabric: Fabric,
    console: Console,
) -> Trained:
    """Train one method, keep its model, and score it on the held-out site."""
    training = build_training(method, config, model, cohort, run, fabric)
    adjustment = counting(console, "reading", training.prepare)
    for remark in adjustment.notes:
        note(console, f"{title_of(method, config)}: {remark}")
    with TrainingProgress(console) as progress:
        history = training.train(adjustment, progress)
    by_the_first(fabric, lambda: model.save_pretrained(run.model_path(method)))
    result = evaluate(
        model,
        cohort.target,
        fabric,
        method=title_of(method, config),
        class_names=model.pack.class_names,
        site_names=cohort.sites,
        batch_size=config.batch_size,
        workers=config.workers,
    )
    return Trained(result, history, adjustment.notes)


def _unseen(config: RecipeConfig) -> str:
    return "by which the epochs were chosen" if config.oracle else "which training never saw"


def _place(config: RecipeConfig) -> Path:
    """Return the run folder; a resumed one must be named."""
    if config.out is not None:
        return config.out
    if config.resume:
        raise ConfigurationError("--resume: expected --out with a run to resume, found none")
    return Path("runs") / f"endoscopy_mcdrl-{datetime.now():%Y%m%d-%H%M%S}"


def _introduce(config: RecipeConfig, pack: PromptPack, console: Console) -> None:
    """Say what is used, and why."""
    if config.data is None:
        note(console, "data       no --data given: rendered endoscopy from deconfound.simulation")
    if config.vlm == "mini":
        note(console, "model      mini, the bundled small CLIP (--vlm ViT-B-16/openai is larger)")
    else:
        note(console, f"model      {config.vlm}")
    if remark := unfamiliar(config, pack):
        note(console, f"warning    {remark}")
    methods = ", ".join(title_of(m, config) for m in config.methods)
    note(console, f"methods    {methods}: same seed ({config.seed}), same images, same budget")
    note(console, f"epochs     {config.epochs} each{_start(config)}")
    if config.train_tower == "frozen" and config.lambda_contrast:
        note(console, "tower      frozen, so the contrastive loss is reported but moves nothing")


def _start(config: RecipeConfig) -> str:
    """Return when the intervention of our methods starts, in words; nothing where none has one."""
    if not any(map(intervenes, config.methods)):
        return ""
    start = config.schedule.first_intervening_epoch + 1
    when = f"starts at epoch {start}" if start <= config.epochs else "stays off"
    return f"; the intervention {when}"


def _chosen_on(config: RecipeConfig, cohort: Cohort) -> str:
    if config.oracle:
        return f"{cohort.holdout} itself: these results are an ORACLE's, and say so"
    return f"patients of {', '.join(cohort.training_sites)} that are set aside"


def _conclude(
    config: RecipeConfig,
    run: RunFolder,
    cohort: Cohort,
    results: Sequence[MethodResult],
    seconds: float,
) -> None:
    if config.json_output:
        print(json.dumps({"held_out": cohort.holdout, **results_json(results)}, indent=2))
        return
    out = Console()
    out.print()
    out.print(results_table(results, title=f"On {cohort.holdout}, {_unseen(config)} (%)"))
    closing = f"\n{seconds / 60:.1f} minutes. The report: {run.report_path}"
    out.print(closing, highlight=False, soft_wrap=True)
