"""Every refuter over a hundred worlds, both ways: at least what `docs/refuters.md` says."""

from __future__ import annotations

import pytest

from deconfound.diagnostics.refuters import default_refuters
from tests.diagnostics.refuters.rates import CASES, WORLDS, decisive, verdicts

RIGHT = 0.95 * WORLDS

DECIDING = (
    "placebo dictionary",
    "irrelevant text",
    "paraphrases",
    "random common cause",
    "dummy outcome",
    "overall",
)
WHERE_IT_MATTERS = (
    "permuted pairs, where it matters",
    "placebo region prompts, where they matter",
    "subset, where the rest matters",
    "without z0, where it matters",
    "unobserved confounder, half as strong",
)


def test_who_decides_is_who_is_measured() -> None:
    """A refuter that decides must be among those that are held to 95 of 100."""
    ours = {refuter.name for refuter in decisive(0)}
    assert ours == set(DECIDING) - {"overall"}
    assert {one.name for one in default_refuters(("z0", "z1")) if one.decisive} <= ours


@pytest.mark.slow
@pytest.mark.parametrize("name", DECIDING + WHERE_IT_MATTERS)
def test_it_is_right_in_95_of_100_worlds(name) -> None:
    good, bad = verdicts(CASES[name].good), verdicts(CASES[name].bad)
    assert good["supported"] >= RIGHT, good
    assert bad["refuted"] >= RIGHT, bad


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(CASES) - set(DECIDING) - set(WHERE_IT_MATTERS)))
def test_where_a_part_need_not_matter_the_wrong_answer_is_seldom(name) -> None:
    """It may leave a question open; it must not answer it the wrong way round."""
    good, bad = verdicts(CASES[name].good), verdicts(CASES[name].bad)
    assert good["refuted"] <= WORLDS - RIGHT, good
    assert bad["supported"] <= WORLDS - RIGHT, bad
