"""Filling a template: one page that needs nothing but a browser, in the look of all of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deconfound.extras import missing_extra

HOME = "deconfound.training.report"
"""The package of ``style.css``, which every template includes."""


def fill(
    package: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]] | None = None,
    template: str = "report.html.j2",
) -> str:
    """Return the page that a package's template makes of values.

    Args:
        package: in which the template lies.
        values: what it asks for; anything that is missing is an error.
        filters: of Jinja2, by name.
        template: its file.

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
    return environment.get_template(template).render(values)
