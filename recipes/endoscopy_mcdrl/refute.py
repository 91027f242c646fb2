"""``refute``: is a run's adjustment real? With ``--retrain``, the recipe trains it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deconfound import CausalSegmenter, Confounders, TextPromptDictionary
from deconfound.errors import ConfigurationError
from deconfound.refuting import command
from deconfound.refuting.recipe import Recipe, Train
from deconfound.training import RunFolder, fit, launch
from deconfound.training.fitting import fit_parts
from deconfound.training.progress import Watcher
from deconfound.training.settings import HARMLESS

from .cohort import assemble
from .config import RecipeConfig
from .console import counting
from .evaluate import settings_of
from .methods import GRIDS, build_criterion, build_method_adjustment, build_model, loop_of
from .readers import discover


def main(arguments: Sequence[str]) -> None:
    """Refute as the flags say."""
    command.main(arguments, Recipe(f"python -m {__package__} refute", discover, trainer))


def trainer(run: RunFolder, method: str, model: CausalSegmenter) -> Train:
    """Return what trains a method of a run again, on the run's images and with its settings.

    It does so in one process, whatever the run was trained in. Repetition s has the run's seed
    plus s; the images, and who validates, stay those of the run.

    Args:
        run: of this recipe.
        method: one of its methods.
        model: what the run made of it.

    Raises:
        ConfigurationError: a method whose dictionary is not made of text, and would be another
            one where it is given; or one that knows the pack's confounders beside it.
    """
    if not isinstance(model.dictionary, TextPromptDictionary):
        raise ConfigurationError(
            f"--retrain: expected a method that is given its dictionary, found {method}, which "
            f"makes a {type(model.dictionary).__name__} of its own; leave --retrain out"
        )
    config = settings_of(run).model_copy(update={"devices": 1, "num_nodes": 1})
    _require_led_by_its_dictionary(method, config)
    cohort = counting(
        Console(stderr=True), "images", lambda progress: assemble(config, model.pack, progress)
    )
    fabric = launch(config)

    def train(
        confounders: Confounders, repetition: int, folder: Path, watcher: Watcher
    ) -> CausalSegmenter:
        settings = config.model_copy(update={"seed": config.seed + repetition})
        again = build_model(method, settings, model.pack)
        again.dictionary = TextPromptDictionary(
            confounders.names, confounders.embeddings, confounders.prior
        )
        begun = (folder / "config.json").exists()
        fit_parts(again, cohort.train)
        fit(
            again,
            build_criterion(method, settings, again, cohort),
            cohort.train,
            cohort.validation,
            loop_of(method, settings),
            RunFolder.create(
                folder, settings.model_dump(mode="json"), begun, HARMLESS, RecipeConfig.usual()
            ),
            watcher,
            method=method,
            fabric=fabric,
            adjustment=build_method_adjustment(method, settings, again, cohort.train),
        )
        return again

    return train


def _require_led_by_its_dictionary(method: str, config: RecipeConfig) -> None:
    """Refuse parts that would know the true confounders under a changed dictionary too."""
    knows = {
        "--level-intervention statistics": config.level_intervention == "statistics",
        "--calibrate": method == "adjusted" and config.calibrate,
    }
    found = [flag for flag, used in knows.items() if used]
    if method in GRIDS and found:
        raise ConfigurationError(
            f"--retrain: expected a method that knows confounders from its dictionary alone, found "
            f"{method} with {found[0]}, which knows the pack's; leave --retrain out"
        )
