"""Arrows point one way: a part of the library knows only what stands above it in this list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import deconfound

ROOT = Path(deconfound.__file__).parent

ORDER = (
    *("types", "errors", "settings", "files", "registry", "component", "precision", "evaluating"),
    *("extras", "overlap", "bundled", "spelling", "evenly"),
    *("packs", "vlm", "prompts", "dictionaries", "selectors", "estimators", "interventions"),
    *("encoders", "decoders", "saving", "assembly", "segmenter", "losses", "rivals"),
    *("data", "simulation", "diagnostics", "training", "study", "testing"),
    *("flags", "benchmark", "refuting", "cli", "__main__"),
)


def parts() -> list[str]:
    """Every package and module of the library, itself aside."""
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    return sorted({*packages, *(p.stem for p in ROOT.glob("*.py"))} - {"__init__", "recipes"})


def files_of(part: str) -> list[Path]:
    return [*(ROOT / part).rglob("*.py"), *ROOT.glob(f"{part}.py")]


def known_by(path: Path) -> Iterator[str]:
    """The parts that a file imports anywhere, for types alone too; `recipes` as it is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for first, second in (f"{name}.".split(".")[:2] for name in names):
            if first == "recipes":
                yield first
            elif first == "deconfound":
                yield deconfound._HOME.get(second, second)


def test_every_part_has_a_place() -> None:
    assert set(parts()) <= set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("part", parts())
def test_arrows_point_one_way(part: str) -> None:
    above = {*ORDER[: ORDER.index(part) + 1], "", "__version__"}
    wrong = {
        f"{path.relative_to(ROOT)} knows {other}"
        for path in files_of(part)
        for other in known_by(path)
        if other not in above
    }
    assert not wrong


def test_an_arrow_that_points_the_wrong_way_is_seen(tmp_path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from deconfound import CausalSegmenter\n    import recipes.a\n")
    assert list(known_by(file)) == ["segmenter", "recipes"]
