"""The public API, frozen: a name that changes here changes for every user."""

from __future__ import annotations

import subprocess
import sys

import deconfound

PUBLIC = {
    "AllRegions",
    "CausalLoss",
    "CausalSegmenter",
    "ConfounderDictionary",
    "Confounders",
    "CrossAttentionIntervention",
    "Explanation",
    "Identity",
    "Intervened",
    "InterventionLayer",
    "MTRS",
    "PromptPack",
    "RegionSelector",
    "Regions",
    "TextPromptDictionary",
    "VisionLanguageModel",
}


def test_the_public_names_are_these_and_all_of_them_load() -> None:
    assert set(deconfound.__all__) == PUBLIC
    assert all(getattr(deconfound, name).__name__ == name for name in PUBLIC)


def test_importing_the_package_is_cheap() -> None:
    heavy = ("torch", "open_clip", "segmentation_models_pytorch", "lightning", "matplotlib")
    code = f"import deconfound, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_package_is_a_command() -> None:
    asked = [sys.executable, "-m", "deconfound", "packs"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "endoscopy: 5 classes, 12 confounders" in found.stdout


def test_a_typo_is_an_attribute_error() -> None:
    assert not hasattr(deconfound, "CausalSegmentr")
