"""Who made a run: found by name, and nothing but an installed recipe is."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from deconfound.errors import ConfigurationError, RunFolderError
from deconfound.refuting.maker import maker_of, sign
from deconfound.refuting.recipe import Recipe, manifest_at
from deconfound.training import RunFolder

RECIPE = Recipe("mine", manifest_at)


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {})


@pytest.fixture
def installed(monkeypatch) -> ModuleType:
    """A recipe of somebody else's, as if it were installed."""
    module = ModuleType("mine.refute")
    monkeypatch.setitem(sys.modules, "mine", ModuleType("mine"))
    monkeypatch.setitem(sys.modules, "mine.refute", module)
    return module


def test_a_signed_run_leads_to_its_recipe(run, installed) -> None:
    installed.RECIPE = RECIPE
    assert maker_of(run) is None
    sign(run, "mine")
    assert maker_of(run) is RECIPE


def test_what_is_not_installed_is_one_sentence_with_the_command(run) -> None:
    sign(run, "recipes.of_somebody")
    with pytest.raises(ConfigurationError, match=r"python -m recipes\.of_somebody refute .*run"):
        maker_of(run)


def test_a_module_that_offers_no_recipe_is_named(run, installed) -> None:
    sign(run, "mine")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        maker_of(run)
    installed.RECIPE = "none"
    with pytest.raises(ConfigurationError, match="to be a Recipe, found a str"):
        maker_of(run)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"recipe": "../a b"}', '{"recipe": 3}'])
def test_a_damaged_signature_is_named(run, text) -> None:
    (run.path / "recipe.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"recipe\.json: expected the package"):
        maker_of(run)
