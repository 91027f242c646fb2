from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.drawing import blob, draw


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Save an image and a mask, and return their paths."""

    def _pair(name: str = "a", top: int = 255) -> tuple[Path, Path]:
        return (
            draw(tmp_path / f"images/{name}.png"),
            draw(tmp_path / f"masks/{name}.png", blob(top)),
        )

    return _pair
