"""YAML to plain values, with the line on which each of them stands.

Read by the rules of YAML 1.2's core schema rather than 1.1's: `no` and `on` are words, `3e-4` is a
number, `12:30` is text. No tag, anchor or alias is accepted: a pack needs none of them, and they
are how a small file becomes a large one, or becomes code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from deconfound.errors import PackError

Path = tuple[str | int, ...]
Lines = dict[Path, int]

MAX_DEPTH = 16
_CORE = "tag:yaml.org,2002:"
_SCALARS = (  # tag, pattern of a plain scalar, its possible first characters, how to read it
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"], lambda _: None),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF"), lambda s: s.lower() == "true"),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789"), int),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
        lambda s: float(re.sub(r"\.(inf|nan)$", r"\1", s.lower())),
    ),
)


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2."""


_CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first, _ in _SCALARS:
    _CoreLoader.add_implicit_resolver(_CORE + _tag, re.compile(f"^(?:{_pattern})$"), _first)

_READ = {_CORE + tag: read for tag, _, _, read in _SCALARS}


def parse(text: str, source: str) -> tuple[Any, Lines]:
    """Read one YAML document.

    Args:
        text: the document.
        source: what to call it in errors, usually its path.

    Returns:
        The value made of dicts, lists, text, numbers, booleans and None, and the 1-based line of
        every key and list item by its path: ``("groups", 0, "name")``.

    Raises:
        PackError: a syntax error, a repeated key, a tag, an anchor, an alias, or nesting deeper
            than 16, with file and line.
    """
    try:
        _refuse_tricks(text, source)
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise PackError(f"{source}, line {line}: not valid YAML: {what}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise PackError(
            f"{source}, line {line}: a character that YAML does not allow "
            f"(U+{error.character:04X}); remove it"
        ) from error
    lines: Lines = {(): 1}
    return (_value(node, (), lines, source) if node else None), lines


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a pack came from; takes no part in whether two packs are equal."""

    source: str = "the pack"
    lines: Lines = field(default_factory=dict)

    def at(self, path: Path) -> str:
        """Name a place in the pack: the file and line, or the field where there is no file."""
        if self.lines:
            return f"{self.source}, line {line_of(path, self.lines)}"
        return ": ".join([self.source, *filter(None, [".".join(map(str, path))])])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return 0


def line_of(path: Path, lines: Lines) -> int:
    """Return the line of ``path``, or of its nearest ancestor that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _refuse_tricks(text: str, source: str) -> None:
    """Walk the flat stream of events, before anything recursive sees the document."""
    depth = 0
    for event in yaml.parse(text, Loader=_CoreLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor:
            raise PackError(
                f"{source}, line {line}: the anchor or alias {anchor!r} is not allowed in a "
                f"pack; write the value out"
            )
        if tag:
            raise PackError(
                f"{source}, line {line}: the tag {tag!r} is not allowed in a pack; remove it"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise PackError(
                f"{source}, line {line}: nested deeper than {MAX_DEPTH} levels; a pack needs four"
            )


def _value(node: yaml.Node, path: Path, lines: Lines, source: str) -> Any:
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            items.append(_value(item, (*path, index), lines, source))
        return items
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, source)
    return _READ.get(node.tag, str)(node.value)


def _mapping(node: yaml.MappingNode, path: Path, lines: Lines, source: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise PackError(f"{source}, line {line}: a key must be a word, not a list or a mapping")
        key = str(key_node.value)
        if key in result:
            raise PackError(
                f"{source}, line {line}: the key {key!r} is already on line {lines[(*path, key)]}; "
                f"keep one of them"
            )
        lines[(*path, key)] = line
        result[key] = _value(value_node, (*path, key), lines, source)
    return result
