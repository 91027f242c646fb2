"""Where packs are looked for: folders of YAML files, first come first served."""

from __future__ import annotations

import os
from pathlib import Path

from deconfound.errors import PackError

SUFFIXES = (".yaml", ".yml")
VARIABLE = "DECONFOUND_PACKS"

_PACKAGE = Path(__file__).resolve().parents[1]
_added: list[Path] = []


def add_pack_path(folder: str | os.PathLike[str]) -> None:
    """Look for packs in ``folder`` too, before anywhere else.

    Args:
        folder: a folder whose ``*.yaml`` files are packs, each named after its file.

    Raises:
        PackError: it is not a folder.
    """
    path = _folder(Path(folder).absolute(), "add_pack_path")
    if path in _added:
        _added.remove(path)
    _added.insert(0, path)


def available_packs() -> dict[str, Path]:
    """Return every pack on the search path by name, sorted; the first folder that has a name wins.

    The order is: folders added with `add_pack_path`, the latest first; those of
    ``$DECONFOUND_PACKS``; the checkout's ``prompt_packs/``; those installed with the package.

    Raises:
        PackError: ``$DECONFOUND_PACKS`` names something that is not a folder.
    """
    found: dict[str, Path] = {}
    for folder in _folders():
        for file in sorted(folder.iterdir()):
            if file.suffix in SUFFIXES and file.is_file():
                found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def _folders() -> list[Path]:
    from_variable = filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))
    return [
        *_added,
        *(_folder(Path(entry), f"${VARIABLE}") for entry in from_variable),
        *filter(Path.is_dir, _shipped()),
    ]


def _shipped() -> list[Path]:
    """The checkout's folder, told by the project file beside it, and the wheel's."""
    checkout = _PACKAGE.parent
    folders = [checkout / "prompt_packs"] if (checkout / "pyproject.toml").is_file() else []
    return [*folders, _PACKAGE / "prompt_packs"]


def _folder(path: Path, who: str) -> Path:
    if not path.is_dir():
        raise PackError(f"{who}: expected a folder of prompt packs, found no folder at {path}")
    return path
