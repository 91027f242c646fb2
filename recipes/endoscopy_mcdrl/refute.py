"""``refute``: is a run's adjustment real? With ``--retrain``, the recipe trains it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from deconfound import CausalSegmenter, Confounders, TextPromptDictionary
from deconfound.data.dealt import DealtOutcomes
from deconfound.data.samples import Site
from deconfound.diagnostics.refuters import Training
from deconfound.diagnostics.refuters.placebo_regions import turn_region_prompts
from deconfound.dictionaries import FitsData
from deconfound.dictionaries.words import in_words
from deconfound.encoders.level_interventions import FeatureStatistics, LevelErasure
from deconfound.errors import ConfigurationError
from deconfound.interventions import LeaceIntervention
from deconfound.refuting import command
from deconfound.refuting.recipe import Recipe, Train
from deconfound.training import RunFolder, launch
from deconfound.training.counting import counting
from deconfound.training.loading import ImageDataset
from deconfound.training.progress import Watcher
from deconfound.training.settings import HARMLESS

from .cohort import Cohort, assemble
from .config import RecipeConfig
from .console import note, note_ignored
from .evaluate import settings_of
from .methods import adjusting_of, build_model, build_training
from .readers import survey


def main(arguments: Sequence[str]) -> None:
    """Refute as the flags say."""
    command.main(arguments, RECIPE)


def trainer(run: RunFolder, method: str, model: CausalSegmenter) -> Train:
    """Return what trains a method of a run again, on the run's images and with its settings.

    It does so in one process, whatever the run was trained in. Repetition s has the run's seed
    plus s; the images, and who validates, stay those of the run.

    Args:
        run: of this recipe.
        method: one of its methods.
        model: what the run made of it.

    Raises:
        ConfigurationError: a method that cannot be given a dictionary, or one that knows
            confounders beside it.
    """
    config = settings_of(run).model_copy(update={"devices": 1, "num_nodes": 1})
    _require_led_by_its_dictionary(method, config, model)
    console = Console(stderr=True)
    if adjusting_of(method, config).weighs_by_surroundings:
        note(console, f"{method} weighs images by surroundings, whatever the dictionary: what is")
        note(console, "asked of words is asked of what they add to that")
    cohort = counting(console, "images", lambda progress: assemble(config, model.pack, progress))
    fabric = launch(config)

    def train(training: Training, folder: Path, watcher: Watcher) -> CausalSegmenter:
        settings = config.model_copy(update={"seed": config.seed + training.seed})
        again = build_model(method, settings, model.pack)
        _give(again, training.confounders)
        begun, asked = (folder / "config.json").exists(), settings.model_dump(mode="json")
        place = RunFolder.create(folder, asked, begun, HARMLESS, RecipeConfig.usual())
        whole = build_training(method, settings, again, cohort, place, fabric)
        if training.regions is not None:
            turn_region_prompts(again, training.regions)  # the criterion keeps the real ones
        images, validation = _outcomes(cohort, training.dealt)
        # P(z) is the dictionary's, and given with it.
        changed = replace(whole, train_set=images, val_set=validation, reads_prior=False)
        changed.train(changed.prepare(), watcher)
        return again

    return train


def read_sites(path: Path) -> Sequence[Site]:
    """Read the sites of a folder or a manifest, and say on standard error what was not read."""
    found = survey(path)
    note_ignored(Console(stderr=True), found.ignored)
    return found.sites


def _outcomes(cohort: Cohort, dealt: int | None) -> tuple[ImageDataset, ImageDataset]:
    """Return training and validation images, with the outcomes of others where they are dealt."""
    if dealt is None:
        return cohort.train, cohort.validation
    return DealtOutcomes(cohort.train, dealt), DealtOutcomes(cohort.validation, dealt)


def _give(model: CausalSegmenter, z: Confounders) -> None:
    """Put a dictionary into an untrained model, in the place of one in words or made from images.

    Statistics have a row for each name, so they start anew with the names that are given; they are
    fitted to what is read with this dictionary.
    """
    model.dictionary = TextPromptDictionary(z.names, z.embeddings, z.prior)
    level = model.level_intervention
    if isinstance(level, FeatureStatistics):
        model.level_intervention = FeatureStatistics(**{**level.options(), "names": z.names})


def _require_led_by_its_dictionary(
    method: str, config: RecipeConfig, model: CausalSegmenter
) -> None:
    """Refuse a dictionary that nobody gives, and parts that know confounders beside it."""
    if not isinstance(model.dictionary, TextPromptDictionary | FitsData):
        raise ConfigurationError(
            f"--retrain: expected a dictionary that is there before the training, found the "
            f"{type(model.dictionary).__name__} of {method}, which training makes: a changed one "
            f"would only be another start; leave --retrain out"
        )
    weighs = method == "adjusted" and config.adjustment.weighs_by_words
    if weighs and config.calibrate:
        raise ConfigurationError(
            f"--retrain: expected a reading that needs no names, found {method} with --calibrate, "
            f"which fits it to confounders drawn by their names, and a placebo's name nothing that "
            f"could be drawn; leave --retrain out"
        )
    beside = {
        "weights": weighs,
        "an eraser": isinstance(model.intervention, LeaceIntervention),
        "a level intervention": isinstance(
            model.level_intervention, FeatureStatistics | LevelErasure
        ),
    }
    found = [part for part, used in beside.items() if used]
    if found and not in_words(model.dictionary):
        raise ConfigurationError(
            f"--retrain: expected a method that knows confounders from its dictionary alone, found "
            f"{method} with a {type(model.dictionary).__name__} and {found[0]} read with the "
            f"pack's words; leave --retrain out"
        )


RECIPE = Recipe(f"python -m {__package__} refute", read_sites, trainer)
"""By which the library's own command finds its way here from a run."""
