"""``deconfound refute RUN``: from the flags to a record and a page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from deconfound.bundled import recipe_module
from deconfound.data.channels import blue_first
from deconfound.diagnostics.refuters import InferenceSubject, default_refuters, refute
from deconfound.diagnostics.refuters.base import Refutation, Refuter
from deconfound.diagnostics.refuters.other_words import Encode
from deconfound.dictionaries.words import in_words
from deconfound.errors import ConfigurationError
from deconfound.refuting.findings import Findings
from deconfound.refuting.flags import RefuteFlags, parse
from deconfound.refuting.maker import FILE, maker_of
from deconfound.refuting.pictures import Pictures, rendered, stored
from deconfound.refuting.recipe import ANY, Recipe, Trainer
from deconfound.refuting.terminal import show
from deconfound.segmenter import CausalSegmenter
from deconfound.training import RunFolder
from deconfound.training.counting import counting
from deconfound.training.files import write_json

FOLDER = "refute"
"""Within a run: ``refutation.json``, ``refutation.html``, and the trainings of ``--retrain``."""


def main(arguments: Sequence[str], recipe: Recipe = ANY) -> None:
    """Refute as the flags say: prints a table or JSON, and writes both record and page.

    Args:
        arguments: words of the command line.
        recipe: whose command this is; by default nobody's, and the run's own maker is looked for
            where it is needed.

    Raises:
        DeconfoundError: a flag, run, method or data set that cannot be used.
    """
    from deconfound.refuting.report import write_report

    flags = parse(arguments, recipe.program)
    run = RunFolder.open(flags.run)
    recipe = _maker(run, flags, recipe)
    trainer = _trainer(run, recipe) if flags.retrain else None
    method = run.trained_method(flags.method)
    device = "cpu" if flags.retrain else _device(flags.accelerator)
    model = CausalSegmenter.from_pretrained(run.model_path(method), device)
    pictures = _pictures(run, flags, model, recipe)
    refuters = _refuters(run, model, flags)
    if trainer is None:
        answers = _run_again(model, pictures, refuters, flags)
    else:
        answers = _trained_again(run, method, model, pictures, refuters, flags, trainer)
    found = Findings(
        method=method,
        images=len(pictures.images),
        source=pictures.source,
        mode="retraining" if flags.retrain else "inference",
        intervening=model.intervening,
        seeds=flags.seeds,
        answers=tuple(zip(refuters, answers, strict=True)),
    )
    folder = run.path / FOLDER
    page = write_report(
        folder / "refutation.html", found, f"{recipe.program} {shlex.join(arguments)}"
    )
    write_json(folder / "refutation.json", found.to_json())
    if flags.json_output:
        print(json.dumps(found.to_json(), indent=2))
    else:
        show(found, page)


def _device(accelerator: str | None) -> torch.device:
    """Return where models are run.

    Raises:
        ConfigurationError: this machine has no such thing.
    """
    from deconfound.training.distributed import launch
    from deconfound.training.settings import TrainingSettings

    return launch(TrainingSettings.model_validate({"accelerator": accelerator or "auto"})).device


def _maker(run: RunFolder, flags: RefuteFlags, recipe: Recipe) -> Recipe:
    """Return who reads the run's images and trains it again, called by the same words."""
    of_its_own = flags.data is None and run.config.get("data") is not None
    if recipe is not ANY or not (flags.retrain or of_its_own):
        return recipe
    return replace(maker_of(run) or ANY, program=recipe.program)


def _trainer(run: RunFolder, recipe: Recipe) -> Trainer:
    """Return who trains again."""
    if recipe.trainer is None:
        raise ConfigurationError(
            f"--retrain: expected {run.path / FILE} to name the recipe that made the run, which "
            f"alone can train it again, found none; give the same flags to the recipe's own "
            f"command, such as python -m {recipe_module('endoscopy_mcdrl')} refute {run.path} "
            f"--retrain"
        )
    return recipe.trainer


def _pictures(
    run: RunFolder, flags: RefuteFlags, model: CausalSegmenter, recipe: Recipe
) -> Pictures:
    """Return the images of the run's held-out site, or those that are asked for."""
    data = flags.data or run.config.get("data") or "rendered"
    site = flags.site or run.held_out()
    size = int(run.config.get("image_size", 96))
    if data == "rendered":
        if flags.bgr:
            raise ConfigurationError(
                "--bgr: expected images in files, which may store blue first, found rendered ones; "
                "leave it out, or name a manifest with --data"
            )
        seed = int(run.config.get("seed", 0))
        return rendered(site, flags.images, size, seed, model.classes > 1)
    path, turned = Path(data), flags.bgr or ([] if flags.data else run.config.get("bgr", []))
    sites = blue_first(recipe.read_sites(path), turned)
    return stored(path, sites, site, flags.images, size, model)


def _refuters(run: RunFolder, model: CausalSegmenter, flags: RefuteFlags) -> tuple[Refuter, ...]:
    """Return who is asked; nothing can be said in other words where rows are no words."""
    names = model.dictionary().names
    of_pack = in_words(model.dictionary) and names == model.pack.confounder_names
    if flags.vlm and not of_pack:
        raise ConfigurationError(
            f"--vlm {flags.vlm}: expected a dictionary of the pack's own sentences, which a text "
            f"tower can put in other words, found one of {', '.join(names)}; leave --vlm out"
        )
    if not flags.text or not of_pack:
        found = default_refuters(names)
    else:
        encode = _text_tower(flags.vlm or run.config.get("vlm", "mini"), model)
        found = default_refuters(names, model.pack, encode)
    return tuple(one for one in found if one.decisive or not flags.decisive)


def _text_tower(name: str, model: CausalSegmenter) -> Encode:
    """Return the text tower that the model has its prompts from, which says the same of them."""
    from deconfound.vlm.loading import load

    encode = load(name).encode_text
    said, kept = encode(model.pack.confounder_prompts()).cpu(), model.prompts.confounders.cpu()
    if said.shape != kept.shape or not torch.allclose(said, kept, atol=1e-3):
        raise ConfigurationError(
            f"--vlm {name}: expected the text tower that the run's model has its prompts from, "
            f"found another; name that of the run, or give --no-text"
        )
    return encode


def _run_again(
    model: CausalSegmenter,
    pictures: Pictures,
    refuters: Sequence[Refuter],
    flags: RefuteFlags,
) -> tuple[Refutation, ...]:
    """Ask about the trained model."""
    subject = InferenceSubject(model, pictures.images, pictures.groups, flags.batch_size)
    seeds = range(flags.seeds)
    return counting(
        None, "refuters", lambda bar: refute(subject, refuters, seeds, bar), len(refuters)
    )


def _trained_again(
    run: RunFolder,
    method: str,
    model: CausalSegmenter,
    pictures: Pictures,
    refuters: Sequence[Refuter],
    flags: RefuteFlags,
    trainer: Trainer,
) -> tuple[Refutation, ...]:
    """Ask about the method, after saying how many trainings that takes."""
    from rich.console import Console

    from deconfound.refuting.ledger import Ledger
    from deconfound.refuting.retraining import Retraining
    from deconfound.training.models_progress import ModelsProgress

    console, seeds = Console(stderr=True), range(flags.seeds)
    ledger = Ledger(run.path / FOLDER, method, pictures.images)
    subject = Retraining(model.dictionary(), pictures, ledger, flags.batch_size)
    answers = refute(subject, refuters, seeds)  # a rehearsal, unless all is finished
    asked, missing = len(subject.asked), subject.missing
    console.print(
        f"{asked} trainings of {method}, {asked - missing} of them finished, {missing} to make"
        f"{_pace(run, method, missing)}; each is kept in {ledger.path}, and the same command "
        f"resumes where this one stops.",
        highlight=False,
        soft_wrap=True,
    )
    if missing:
        train = trainer(run, method, model)
        with ModelsProgress(missing, console) as progress:
            subject.train_by(train, progress)
            answers = refute(subject, refuters, seeds)
    return answers


def _pace(run: RunFolder, method: str, trainings: int) -> str:
    """Say how long trainings take if each takes as long as the run's own; nothing if unknown."""
    from deconfound.training.progress import clock

    seconds = sum(line["seconds"] for line in run.metrics() if line["method"] == method)
    left = trainings * seconds
    return f" (about {clock(left)} at the run's own pace)" if left else ""
