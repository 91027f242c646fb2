"""The recipe on sites and a pack of one's own, of a modality that is not endoscopy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from deconfound.errors import RunFolderError
from deconfound.packs import PromptPack
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.cohort import _spelled
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.readers import discover
from recipes.endoscopy_mcdrl.reporting import unfamiliar
from recipes.endoscopy_mcdrl.same_pack import keep_pack
from recipes.endoscopy_mcdrl.study import commands
from recipes.endoscopy_mcdrl.study.cells import Cell
from recipes.endoscopy_mcdrl.study.settings import StudySettings
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


@pytest.fixture
def edited(tmp_path) -> tuple[Path, Path]:
    """A pack of one's own, and what it says after an edit."""
    pack, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    pack.write_text(CHEST)
    other.write_text(CHEST.replace("text: thick slices", "text: slices of 5 mm"))
    return pack, other


EDITED = r"pack\.json: expected the pack that .* found another groups in chest_ct; restore its"


def test_a_study_refuses_words_that_its_models_were_not_given(edited, tmp_path) -> None:
    pack, other = edited
    settings = StudySettings(pack=str(pack), data=manifest(tmp_path), out=tmp_path / "study")
    commands.Study(settings)
    other.replace(pack)
    store = commands.Study(settings).store  # nothing was trained yet
    store.path(Cell("baseline", "mini", "site0")).mkdir(parents=True)
    commands.Study(settings)
    pack.write_text(CHEST)
    with pytest.raises(RunFolderError, match=EDITED):
        commands.Study(settings)


def test_a_run_is_not_resumed_with_other_words(edited, tiny_weights, tmp_path, capsys) -> None:
    pack, other = edited
    data = manifest(tmp_path)
    data.write_text(data.read_text().replace("polyp", "mass"))
    words = ["train", "--data", str(data), "--pack", str(pack), "--vlm", str(tiny_weights)]
    words += ["--out", str(tmp_path / "run"), "--methods", "baseline", "--decoder", "Linknet"]
    words += ["--epochs", "1", "--image-size", "32", "--batch-size", "4"]
    assert main(words) == 0
    assert main([*words, "--resume"]) == 0
    other.replace(pack)
    capsys.readouterr()
    assert main([*words, "--resume"]) == 2
    assert re.search(EDITED, " ".join(capsys.readouterr().err.split()))
    config = (tmp_path / "run" / "config.json").read_text()
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").mkdir()  # as a kill leaves a run before anything is trained
    (tmp_path / "run" / "config.json").write_text(config)
    assert main([*words, "--resume"]) == 0


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("[]")])
def test_lost_or_damaged_words_are_named(spoil, tmp_path) -> None:
    pack = PromptPack.load("endoscopy")
    keep_pack(tmp_path, pack, begun=False)
    keep_pack(tmp_path, pack, begun=True)
    spoil(tmp_path / "pack.json")
    with pytest.raises(RunFolderError, match=r"pack\.json: .* as JSON, .*restore the file"):
        keep_pack(tmp_path, pack, begun=True)


def test_a_report_tells_that_an_oracle_chose_the_epochs(told: str) -> None:
    assert "This is an oracle" in told
    assert "had no say in it" not in told


def test_who_uses_mini_on_another_modality_is_warned() -> None:
    endoscopy, chest = PromptPack.load("endoscopy"), PromptPack.from_mapping(yaml.safe_load(CHEST))
    assert unfamiliar(RecipeConfig(vlm="mini"), endoscopy) is None
    assert unfamiliar(RecipeConfig(vlm="ViT-B-16/openai"), chest) is None
    assert "computed tomography" in str(unfamiliar(RecipeConfig(vlm="mini"), chest))
