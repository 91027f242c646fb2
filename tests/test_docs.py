"""What the documentation shows is run: every Python block, every pack, every link to a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deconfound.interventions import interventions
from deconfound.packs import PromptPack
from deconfound.testing import InterventionLayerContract

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def registry_as_it_was(monkeypatch):
    monkeypatch.setattr(interventions, "_known", dict(interventions._known))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_runs(page: Path, registry_as_it_was) -> None:
    namespace: dict = {"__name__": "shown"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)
    for shown in list(namespace.values()):
        if isinstance(shown, type) and InterventionLayerContract in shown.__bases__:
            for name in dir(shown):
                if name.startswith("test_"):
                    getattr(shown(), name)()


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "yaml")], ids=lambda p: p.name)
def test_packs_are_valid(page: Path, tmp_path) -> None:
    for block in blocks(page, "yaml"):
        (tmp_path / "pack.yaml").write_text(block)
        assert PromptPack.load(tmp_path / "pack.yaml").confounder_names


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_holds_two_lines_for_a_bare_machine() -> None:
    lines = [
        x for x in (ROOT / "README.md").read_text().splitlines() if x.startswith("python3 -m venv")
    ]
    assert len(lines) == 2
    assert lines[0].endswith("-m recipes.endoscopy_mcdrl train")
    assert '/pytest -m "not slow"' in lines[1]
