"""The recipe on sites and a pack of one's own, of a modality that is not endoscopy."""

from __future__ import annotations

import re

import pytest
import yaml

from deconfound.packs import PromptPack
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.cohort import _spelled
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.readers import discover
from recipes.endoscopy_mcdrl.reporting import unfamiliar
from tests.recipes.discs import manifest

CHEST = """
name: chest_ct
version: 1
modality: computed tomography
classes: [mass, consolidation]
normal: healthy lung
templates:
  class: "A {class} in a chest CT slice"
  confounder: "A chest CT slice with {confounder}"
  joint: "A {class} with {confounder}"
groups:
  - name: reconstruction
    confounders:
      - {name: thick_slices, text: thick slices, role: acquisition}
      - {name: low_dose, text: low dose, role: acquisition}
provenance:
  source: a test
"""


@pytest.fixture(scope="module")
def told(tiny_weights, tmp_path_factory) -> str:
    """What the report of such a run says, its epochs chosen by the held-out site."""
    folder = tmp_path_factory.mktemp("chest")
    (folder / "pack.yaml").write_text(CHEST)
    path = manifest(folder)
    path.write_text(path.read_text().replace("polyp", "mass"))
    flags = ["--data", str(path), "--pack", str(folder / "pack.yaml"), "--vlm", str(tiny_weights)]
    flags += ["--task", "multiclass", "--decoder", "FPN", "--oracle", "--out", str(folder / "run")]
    quick = ["--epochs", "2", "--image-size", "32", "--batch-size", "4", "--depth", "1"]
    assert main(["train", *flags, *quick, "--heads", "4"]) == 0
    return re.sub("<[^>]+>", " ", (folder / "run" / "report.html").read_text())


def test_a_report_speaks_of_the_packs_modality_alone(told: str) -> None:
    assert "MCDRL on computed tomography" in told
    assert "chest_ct (" in told
    assert "thick slices" in told
    own = told.replace("recipes.endoscopy_mcdrl", "").lower()
    assert not [word for word in ("endoscop", "polyp", " scope", " lamp") if word in own]


def test_a_lesion_that_the_pack_has_no_name_for_is_told_with_the_flag(tmp_path, capsys) -> None:
    path = manifest(tmp_path)
    path.write_text(path.read_text().replace("polyp", "mass"))
    assert main(["train", "--data", str(path), "--out", str(tmp_path / "run")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "expected a class of the pack endoscopy (polyp" in told
    assert "found 'mass'" in told
    assert "--pack" in told


@pytest.mark.parametrize(
    "written", ["ground glass", "Ground_Glass", "ground-glass", "GROUND  glass"]
)
def test_a_class_is_known_however_it_is_spelled(tmp_path, written) -> None:
    words = CHEST.replace("consolidation", "ground glass")
    pack = PromptPack.from_mapping(yaml.safe_load(words))
    path = manifest(tmp_path)
    path.write_text(path.read_text().replace("polyp", written))
    samples = _spelled(discover(path)[0].samples, pack)
    assert {sample.class_name for sample in samples} == {"ground glass"}


def test_a_report_tells_that_an_oracle_chose_the_epochs(told: str) -> None:
    assert "This is an oracle" in told
    assert "had no say in it" not in told


def test_who_uses_mini_on_another_modality_is_warned() -> None:
    endoscopy, chest = PromptPack.load("endoscopy"), PromptPack.from_mapping(yaml.safe_load(CHEST))
    assert unfamiliar(RecipeConfig(vlm="mini"), endoscopy) is None
    assert unfamiliar(RecipeConfig(vlm="ViT-B-16/openai"), chest) is None
    assert "computed tomography" in str(unfamiliar(RecipeConfig(vlm="mini"), chest))
