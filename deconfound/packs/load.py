"""From a name or a file to a checked PromptPack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deconfound.errors import PackError, unknown_name
from deconfound.packs.lines import Origin, parse
from deconfound.packs.schema import Pack
from deconfound.packs.search import SUFFIXES, available_packs
from deconfound.packs.sentences import sentence

MAX_BYTES = 256 * 1024


class PromptPack(Pack):
    """A pack that knows where packs lie; see `Pack` for its attributes."""

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> PromptPack:
        """Load a pack by its name on the search path, or from a YAML file.

        Args:
            name_or_path: ``"endoscopy"``, or the path of a file of at most 256 kB, UTF-8; text
                with a separator or ending in ``.yaml`` or ``.yml`` is a path.

        Raises:
            UnknownNameError: no such name; the near ones are listed.
            PackError: the file cannot be read or breaks the schema; names file and line.
        """
        text = os.fspath(name_or_path)
        if isinstance(name_or_path, os.PathLike) or _is_path(text):
            return _read(Path(text))
        known = available_packs()
        if text not in known:
            raise unknown_name("prompt pack", text, known)
        pack = _read(known[text])
        if pack.name != text:
            raise PackError(
                f"{known[text]}: the file is found as {text!r} and calls itself {pack.name!r}; "
                f"rename one of them"
            )
        return pack

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], source: str = "the pack") -> PromptPack:
        """Build from plain values, as `to_mapping` wrote them.

        Args:
            mapping: keys and values of the YAML file.
            source: what to call it in errors.

        Raises:
            PackError: the mapping breaks the schema.
        """
        return build_pack(mapping, Origin(source))


def _is_path(text: str) -> bool:
    return text.endswith(SUFFIXES) or os.sep in text or bool(os.altsep and os.altsep in text)


def _read(path: Path) -> PromptPack:
    """Read one YAML file."""
    value, lines = parse(_text(path), str(path))
    return build_pack(value, Origin(str(path), lines))


def build_pack(value: Mapping[str, Any], origin: Origin) -> PromptPack:
    """Check plain values against the schema.

    Args:
        value: what the file holds.
        origin: where it came from, for errors now and later.

    Raises:
        PackError: the value breaks the schema.
    """
    try:
        pack = PromptPack.model_validate(value)
    except ValidationError as error:
        raise PackError(sentence(error, origin)) from error
    pack._origin = origin
    return pack


def _text(path: Path) -> str:
    """Read the file, whose size is looked at first: nothing large is ever parsed."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PackError(
            f"{path}: the pack cannot be read ({error.strerror}); check the path"
        ) from error
    if len(data) > MAX_BYTES:
        raise PackError(
            f"{path}: expected a pack of at most {MAX_BYTES // 1024} kB, found a larger file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PackError(
            f"{path}, line {line}: expected UTF-8 text, found the byte 0x{data[error.start]:02x}; "
            f"save the file as UTF-8"
        ) from error
