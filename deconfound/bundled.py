"""Where the recipes are: beside the library in its repository, inside of it in a wheel."""

from __future__ import annotations

from importlib.util import find_spec


def recipe_module(name: str) -> str:
    """Return what ``python -m`` calls a recipe by; to be told, as the library knows none."""
    inside = find_spec("deconfound.recipes") is not None
    return f"deconfound.recipes.{name}" if inside else f"recipes.{name}"
