"""A run or a study of some of the sites that there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from deconfound.errors import ConfigurationError, RunFolderError, UnknownNameError
from deconfound.packs import PromptPack
from recipes.endoscopy_mcdrl.chosen_sites import chosen_sites
from recipes.endoscopy_mcdrl.cohort import assemble
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.study import commands
from recipes.endoscopy_mcdrl.study.cells import Cell
from recipes.endoscopy_mcdrl.study.settings import StudySettings
from tests.recipes.discs import manifest

FOUND = [SimpleNamespace(name=name) for name in ("Kvasir", "CVC", "ETIS")]


def names(asked: tuple[str, ...]) -> list[str]:
    return [site.name for site in chosen_sites(FOUND, asked)]


def test_they_keep_their_order_and_spelling() -> None:
    assert names(()) == ["Kvasir", "CVC", "ETIS"]
    assert names(("etis", "KVASIR")) == ["Kvasir", "ETIS"]


def test_what_cannot_be_chosen_is_said() -> None:
    with pytest.raises(UnknownNameError, match="did you mean Kvasir"):
        names(("Kvasr", "CVC"))
    with pytest.raises(ConfigurationError, match="--sites: expected two or more"):
        names(("CVC",))


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_run_sees_no_other_site(tmp_path: Path, on_disk: bool) -> None:
    data = manifest(tmp_path) if on_disk else None
    two = ("site0", "site2") if on_disk else ("A-bronchoscopy", "E-colonoscopy")
    size = {} if on_disk else {"images_per_site": 8}
    config = RecipeConfig(data=data, sites=two, image_size=32, **size)
    cohort = assemble(config, PromptPack.load("endoscopy"), lambda done, total: None)
    assert (cohort.sites, cohort.holdout) == (two, two[1])
    assert len(cohort.train) + len(cohort.validation) == (4 if on_disk else 8)


def test_a_study_of_some_sites_is_not_one_of_all(tmp_path: Path) -> None:
    all_of_them = StudySettings(data=manifest(tmp_path), out=tmp_path / "study")
    some = all_of_them.model_copy(update={"sites": ("site2", "site0")})
    study = commands.Study(some)
    assert study.holdouts == ("site0", "site2")
    study.store.path(Cell("baseline", "mini", "site0")).mkdir(parents=True)
    with pytest.raises(RunFolderError, match="other values of sites"):
        commands.Study(all_of_them)
