"""Who made a run, by name: the library knows no recipe, and finds the one that signed the run."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

from deconfound.errors import ConfigurationError, RunFolderError
from deconfound.refuting.recipe import Recipe
from deconfound.training.files import write_json
from deconfound.training.run_folder import RunFolder

FILE = "recipe.json"
"""Within a run: the package of the recipe that made it."""


def sign(run: RunFolder, package: str) -> None:
    """Say in a run's folder who makes it.

    Args:
        run: that is begun, or resumed.
        package: of the recipe, importable; its module ``refute`` offers ``RECIPE``, a `Recipe`.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    write_json(run.path / FILE, {"recipe": package})


def maker_of(run: RunFolder) -> Recipe | None:
    """Return the recipe that made a run; None where nobody signed it.

    A run brings no code along, but it names what is imported: a module called ``refute``, with the
    packages it lies in, as Python finds them, under ``python -m`` in the working folder too.

    Raises:
        RunFolderError: a signature that is none.
        ConfigurationError: a recipe that is not installed here, or offers nothing.
    """
    path = run.path / FILE
    if not path.exists():
        return None
    package = _package(path)
    try:
        recipe = import_module(f"{package}.refute").RECIPE
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{path}: expected a recipe that is installed here, found {package}, which cannot be "
            f"used ({error}); where it is installed: python -m {package} refute {run.path}"
        ) from error
    if not isinstance(recipe, Recipe):
        raise ConfigurationError(
            f"{path}: expected RECIPE in {package}.refute to be a Recipe, found a "
            f"{type(recipe).__name__}; repair that package"
        )
    return recipe


def _package(path: Path) -> str:
    """Read the name of a package, of letters, digits and dots alone."""
    try:
        package = json.loads(path.read_text(encoding="utf-8"))["recipe"]
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", package):
            raise ValueError(f"it names {package!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path}: expected the package of the recipe that made the run, could not read it "
            f"({error}); give the same flags to that recipe's own command"
        ) from error
    return str(package)
