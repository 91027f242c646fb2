"""What the schema found wrong, as one sentence for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deconfound.errors import hint
from deconfound.packs.lines import Origin, Path
from deconfound.packs.parts import Confounder, ConfounderGroup, LesionClass, Provenance, Templates
from deconfound.packs.schema import Pack

_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Pack,
    ("classes",): LesionClass,
    ("templates",): Templates,
    ("groups",): ConfounderGroup,
    ("groups", "confounders"): Confounder,
    ("provenance",): Provenance,
}


def sentence(error: ValidationError, origin: Origin) -> str:
    """Say what is wrong with a pack.

    Args:
        error: what pydantic found.
        origin: the file and its lines.

    Returns:
        One sentence about the first problem in the file, with the number of further ones. Missing
        keys come last: an unknown key is often the missing one, misspelt.
    """
    details = _causes(error.errors(include_url=False))
    order = {path: number for number, path in enumerate(origin.lines)}
    first = min(details, key=lambda d: (d["type"] == "missing", order.get(_path(d), -1)))
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{origin.at(_path(first))}: {_what(first)}{more}"


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop what only follows: a list whose one item is wrong is also said to be too short."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(p[: len(detail["loc"])] == detail["loc"] != p for p in places)
    ]


def _path(detail: ErrorDetails) -> Path:
    return tuple(detail.get("ctx", {}).get("path", detail["loc"]))


def _what(detail: ErrorDetails) -> str:
    kind, place, found = detail["type"], _path(detail), detail.get("input")
    key, context = str(place[-1]) if place else "the pack", detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"unknown key {key!r}; {hint(key, _keys(place[:-1]))}"
        case "missing":
            return f"the key {key!r} is missing; add it"
        case "string_type":
            return f"{_name(place)}: expected text, found {_found(found)}; {_mend(found)}"
        case "string_too_short":
            return f"{_name(place)} is empty; write it or remove it"
        case "string_too_long":
            return (
                f"{_name(place)}: expected at most {context['max_length']} characters, "
                f"found {len(str(found))}; shorten it"
            )
        case "string_pattern_mismatch":
            return (
                f"{_name(place)}: expected a key of lower-case letters, digits, '_' and '-', "
                f"found {found!r}; rename it"
            )
        case "literal_error":
            return f"{_name(place)}: unknown value {found!r}; expected {context['expected']}"
        case "too_short":
            return f"{_name(place)} is empty; list at least one"
        case "tuple_type" | "list_type":
            return f"{_name(place)}: expected a list, found {_found(found)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            keys = ", ".join(_keys(place))
            return f"{_name(place)}: expected a mapping with the keys {keys}, found {_found(found)}"
        case "int_type" | "greater_than_equal":
            return f"{_name(place)}: expected a whole number from 1, found {_found(found)}"
        case "bool_type":
            return f"{_name(place)}: expected true or false, found {_found(found)}"
        case "repeat":
            return detail["msg"]
    return f"{_name(place)}: {detail['msg']}"


def _name(place: Path) -> str:
    """The field in words: its key, and for an item of a list the list's key too."""
    if not place:
        return "the file"
    if isinstance(place[-1], int):
        return f"item {place[-1] + 1} of `{place[-2]}`"
    return f"`{place[-1]}`"


def _keys(place: Sequence[str | int]) -> list[str]:
    model = _MODELS[tuple(part for part in place if isinstance(part, str))]
    return [info.alias or name for name, info in model.model_fields.items()]


def _found(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value!r}" if len(value) < 60 else "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
    return f"a {type(value).__name__}"


def _mend(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return "put it in quotation marks"
    return "write it out"
