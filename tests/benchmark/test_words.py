"""Dictionaries in other words: what changes, and what must not."""

from __future__ import annotations

import pytest

from deconfound.benchmark import BenchmarkSettings
from deconfound.benchmark.dictionaries import IRRELEVANT, QUALITIES, RANKED, pack_for
from deconfound.estimators.doing.operations import suggested
from deconfound.packs import PromptPack

TRUE = PromptPack.load("endoscopy")


def test_twelve_true_prompts_are_the_endoscopy_pack() -> None:
    assert pack_for(12).confounders == TRUE.confounders


@pytest.mark.parametrize("size", range(1, len(RANKED) + 1))
def test_every_size_is_a_pack_in_every_quality(size: int) -> None:
    assert len(pack_for(size).confounders) == size
    for quality in QUALITIES:
        assert pack_for(size, quality).templates == TRUE.templates


@pytest.mark.parametrize("size", BenchmarkSettings().sizes)
def test_a_paraphrase_changes_every_word_and_nothing_else(size: int) -> None:
    said = pack_for(size).confounders, pack_for(size, "paraphrased").confounders
    for one, other in zip(*said, strict=True):
        assert one.text != other.text
        assert (one.name, one.role, one.render) == (other.name, other.role, other.render)


@pytest.mark.parametrize("size", BenchmarkSettings().sizes)
def test_a_third_is_missing(size: int) -> None:
    left = pack_for(size, "partly_missing").confounders
    assert len(left) == size - size // 3
    assert set(left) < set(pack_for(size).confounders)


def test_wrong_words_suggest_nothing_to_draw() -> None:
    wrong = pack_for(15, "wrong")
    assert sorted(wrong.confounder_names) == sorted(IRRELEVANT)
    assert not any(suggested(one.text) for one in wrong.confounders)
