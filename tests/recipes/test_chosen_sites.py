"""A run or a study of some of the sites that there are."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from deconfound import simulation
from deconfound.errors import ConfigurationError, RunFolderError, UnknownNameError
from deconfound.packs import PromptPack
from deconfound.training import RunFolder
from recipes.endoscopy_mcdrl.__main__ import main
from recipes.endoscopy_mcdrl.chosen_sites import chosen_sites
from recipes.endoscopy_mcdrl.cohort import assemble
from recipes.endoscopy_mcdrl.config import RecipeConfig
from recipes.endoscopy_mcdrl.methods import build_model
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


@pytest.fixture(params=["on disk", "rendered"])
def of_three(request, tiny_weights: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """A run of the first three sites, with a model that nobody trained; and all sites there are."""
    rendered = request.param == "rendered"
    sites = [s.name for s in simulation.SITES] if rendered else [f"site{n}" for n in range(4)]
    data = {"images_per_site": 8} if rendered else {"data": manifest(tmp_path, sites=4)}
    own = {"sites": sites[:3], "methods": ["baseline"], "vlm": str(tiny_weights), "image_size": 32}
    config = RecipeConfig.model_validate({**data, **own})
    run = RunFolder.create(tmp_path / "run", config.model_dump(mode="json"))
    model = build_model("baseline", config, PromptPack.load("endoscopy"))
    model.save_pretrained(run.model_path("baseline"))
    return run.path, sites


def test_evaluate_knows_the_sites_that_took_part(of_three, capsys) -> None:
    run, sites = of_three
    for asked, scored, seen in (
        ((), sites[2], False),
        (("--holdout", sites[3]), sites[3], False),
        (("--holdout", sites[0].upper()), sites[0], True),
    ):
        assert main(["evaluate", str(run), *asked, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["site"], told["seen_in_training"]) == (scored, seen)


def test_evaluate_scores_the_site_that_was_held_out_where_a_later_one_was_added(
    of_three, capsys
) -> None:
    run, sites = of_three
    (run / "results.json").write_text(json.dumps({"held_out": sites[1]}))
    assert main(["evaluate", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["site"], told["seen_in_training"]) == (sites[1], False)


def test_a_study_of_some_sites_is_not_one_of_all(tmp_path: Path) -> None:
    all_of_them = StudySettings(data=manifest(tmp_path), out=tmp_path / "study")
    some = all_of_them.model_copy(update={"sites": ("site2", "site0")})
    study = commands.Study(some)
    assert study.holdouts == ("site0", "site2")
    study.store.path(Cell("baseline", "mini", "site0")).mkdir(parents=True)
    with pytest.raises(RunFolderError, match="other values of sites"):
        commands.Study(all_of_them)
