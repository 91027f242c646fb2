from __future__ import annotations

from pathlib import Path

import pytest

from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings


@pytest.fixture
def settings() -> TrainingSettings:
    return TrainingSettings(epochs=5, batch_size=4, lr=1e-2, accelerator="cpu", seed=3)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"seed": 3})
