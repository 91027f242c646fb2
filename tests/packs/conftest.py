from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deconfound.packs import search

SMALL = """\
name: small
version: 1
modality: endoscopy
classes: [polyp, cyst]
normal: normal tissue
templates:
  class: "A {class} in an image"
  confounder: "An image with {confounder}"
  joint: "A {class} with {confounder}"
groups:
  - name: lighting
    confounders:
      - {name: dark, text: dark illumination, role: acquisition}
      - {name: bright, text: bright illumination, role: acquisition}
provenance: {source: us}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the small pack with one replacement, and return its path."""

    def _write(old: str = "", new: str = "", name: str = "small.yaml") -> Path:
        assert old in SMALL
        path = tmp_path / name
        path.write_text(SMALL.replace(old, new, 1) if old else SMALL, encoding="utf-8")
        return path

    return _write


@pytest.fixture(autouse=True)
def _own_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_added", [])
    monkeypatch.delenv("DECONFOUND_PACKS", raising=False)
