"""What every test shares: reproducible draws, quick by default."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Threads that wait for one another cost more than pictures this small; read at the first import.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import HealthCheck, settings

from deconfound import registry

settings.register_profile(
    "default", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=300)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _no_package_is_installed_meanwhile() -> Iterator[None]:
    """Entry points are read once: reading them takes longer than building a layer."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "entry_points", cache(registry.entry_points))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images, where this machine has one."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DECONFOUND_DATA", beside))
    if not (folder / "compact").is_dir():
        pytest.skip(f"no real images at {folder}; set DECONFOUND_DATA to try them")
    return folder
