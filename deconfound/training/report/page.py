"""Filling a template: one page that needs nothing but a browser, in the look of all of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deconfound.extras import missing_extra

HOME = "deconfound.training.report"
"""The package of ``page.html.j2``, which every template extends."""


def fill(
    package: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """Return the page that a package's template makes of values.

    Args:
        package: in which the template, ``report.html.j2``, lies.
        values: what it asks for; anything that is missing is an error.
        filters: of Jinja2, by name.

    Raises:
        ConfigurationError: Jinja2 is not installed.
    """
    try:
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise missing_extra("Jinja2", "the report") from error
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(place, ".") for place in (package, HOME)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template("report.html.j2").render(values)
