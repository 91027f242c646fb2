"""How often each refuter is right, over a hundred worlds both ways.

    python -m tests.diagnostics.refuters.rates [--from SEED] [CASE ...]

Good: the backdoor estimator with the true dictionary. Bad: what the refuter is for. Beside them
stands how often a refuter refutes a real adjustment, which is the error that must not happen.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count, islice
from typing import get_args

from deconfound.diagnostics.refuters import (
    DummyOutcome,
    IrrelevantText,
    LeaveOneOut,
    Paraphrases,
    PermutedPairs,
    PlaceboDictionary,
    PlaceboRegions,
    RandomCommonCause,
    Refuter,
    ScmSubject,
    Subject,
    Subset,
    UnobservedConfounder,
    Verdict,
    attention,
    backdoor,
    overall,
    refute,
    regression,
)
from deconfound.diagnostics.refuters.worlds import ScmEstimator
from deconfound.simulation import DiscreteSCM, random_scm
from tests.diagnostics.refuters.bad_subjects import (
    Alike,
    Flattering,
    Forgetful,
    Frozen,
    Regional,
    added_up,
    tower,
    without_regions,
)
from tests.diagnostics.refuters.hidden_worlds import HiddenSubject, hidden_world
from tests.diagnostics.refuters.limits import Partial, lost_by_other_regions, lost_by_the_change

WORLDS, UNITS, SEEDS = 100, 4000, (0, 1)
START = 0
"""Seed of the first world; the tests ask about those from 0 on."""

MATTERS = 0.01
"""Least E‖P(Y|F) - P(Y|do(F))‖² of a world in which adjusting matters."""

Ask = Callable[[int], tuple[Sequence[Refuter], Subject]]
"""From the number of a world to who is asked about whom."""


@dataclass(frozen=True)
class Case:
    """One refuter, and the two subjects that it must tell apart."""

    good: Ask
    bad: Ask


def first_worlds(matters: Callable[[DiscreteSCM], bool]) -> tuple[DiscreteSCM, ...]:
    """Return the first hundred worlds of which something is true."""
    drawn = (random_scm(seed, dim=128, num_confounders=3 + seed % 2) for seed in count(START))
    return tuple(islice(filter(matters, drawn), WORLDS))


@cache
def worlds(matters: float = MATTERS) -> tuple[DiscreteSCM, ...]:
    """Return the first hundred worlds in which adjusting matters that much."""

    def adjusting_matters(scm: DiscreteSCM) -> bool:
        gap = scm.outcome_observed() - scm.outcome_under_do()
        return bool(gap.square().sum(dim=1).mean() > matters)

    return first_worlds(adjusting_matters)


@cache
def where_missed(refuter: Partial) -> tuple[DiscreteSCM, ...]:
    """Return a hundred worlds in which the adjustment is as far off with a changed dictionary."""
    return first_worlds(lambda scm: lost_by_the_change(scm, refuter, SEEDS) > MATTERS)


@cache
def where_regions_matter() -> tuple[DiscreteSCM, ...]:
    """Return a hundred worlds in which it is as far off where other regions are taken."""
    return first_worlds(lambda scm: lost_by_other_regions(scm, SEEDS) > MATTERS)


def adjusting(index: int) -> ScmSubject:
    """Return the backdoor estimator in a world."""
    return ScmSubject(worlds()[index], backdoor, count=UNITS)


def not_adjusting(index: int) -> ScmSubject:
    """Return plain regression, attention, or a reading that never changes, in turns."""
    scm = worlds()[index]
    if index % 3 == 2:
        return Frozen(scm, backdoor, count=UNITS)
    return ScmSubject(scm, (regression, attention)[index % 3], count=UNITS)


def decisive(index: int) -> tuple[Refuter, ...]:
    """Return every refuter that counts, for a world."""
    scm = worlds()[index]
    encode, names = tower(scm, 0.2), scm.dictionary().names
    words = (IrrelevantText(encode, "An image with {confounder}"), Paraphrases(encode, names))
    return (PlaceboDictionary(), *words, RandomCommonCause(), DummyOutcome())


def _against(make: Callable[[], Refuter], bad: Callable[[int], Subject] = not_adjusting) -> Case:
    return Case(lambda i: ([make()], adjusting(i)), lambda i: ([make()], bad(i)))


def _wording(index: int) -> tuple[Sequence[Refuter], Subject]:
    """Return a tower that reads the wording alone, where that costs twice what is tolerated."""
    scm = worlds(2 * MATTERS)[index]
    refuter = Paraphrases(tower(scm, 1.0), scm.dictionary().names)
    return [refuter], ScmSubject(scm, backdoor, count=UNITS)


def _subject(kind: type[ScmSubject], estimator=backdoor) -> Callable[[int], ScmSubject]:
    return lambda index: kind(worlds()[index], estimator, count=UNITS)


def _part(refuter: Partial, bad: type[ScmSubject], estimator: ScmEstimator = backdoor) -> Case:
    """Return a refuter of a part of the dictionary in worlds where that part is missed."""

    def who(kind: type[ScmSubject], how: ScmEstimator) -> Ask:
        return lambda i: ([refuter], kind(where_missed(refuter)[i], how, count=UNITS))

    return Case(who(ScmSubject, backdoor), who(bad, estimator))


def _regions(which: Callable[[], tuple[DiscreteSCM, ...]]) -> Case:
    def who(estimator: ScmEstimator) -> Ask:
        return lambda i: ([PlaceboRegions()], Regional(which()[i], estimator, count=UNITS))

    return Case(who(backdoor), who(without_regions))


def _hidden(share: float) -> Case:
    def world(real: bool) -> Ask:
        return lambda i: (
            [UnobservedConfounder()],
            HiddenSubject(hidden_world(START + i, real=real, share=share)),
        )

    return Case(world(True), world(False))


CASES: dict[str, Case] = {
    "placebo dictionary": _against(PlaceboDictionary),
    "irrelevant text": Case(
        lambda i: ([decisive(i)[1]], adjusting(i)), lambda i: ([decisive(i)[1]], not_adjusting(i))
    ),
    "paraphrases": Case(lambda i: ([decisive(i)[2]], adjusting(i)), _wording),
    "random common cause": _against(RandomCommonCause, _subject(ScmSubject, added_up)),
    "dummy outcome": _against(DummyOutcome, _subject(Flattering)),
    "permuted pairs": _against(PermutedPairs, _subject(Alike)),
    "permuted pairs, where it matters": _part(PermutedPairs(), Alike),
    "placebo region prompts": _regions(lambda: worlds()),
    "placebo region prompts, where they matter": _regions(where_regions_matter),
    "subset": _against(Subset, _subject(ScmSubject, regression)),
    "subset, where the rest matters": _part(Subset(), ScmSubject, regression),
    "without z0": _against(lambda: LeaveOneOut("z0"), _subject(Forgetful)),
    "without z0, where it matters": _part(LeaveOneOut("z0"), Forgetful),
    "unobserved confounder, half as strong": _hidden(0.5),
    "unobserved confounder, as strong": _hidden(1.0),
    "overall": Case(
        lambda i: (decisive(i), adjusting(i)), lambda i: (decisive(i), not_adjusting(i))
    ),
}


def verdicts(ask: Ask, number: int = WORLDS) -> Counter[str]:
    """Count what is said in a number of worlds."""
    found: Counter[str] = Counter()
    for index in range(number):
        refuters, subject = ask(index)
        answers = refute(subject, refuters, SEEDS)
        found[overall(answers) if len(answers) > 1 else answers[0].verdict] += 1
    return found


def main(names: Sequence[str]) -> None:
    """Print a line for each case: supported, refuted and inconclusive, good and bad."""
    global START
    if names[:1] == ["--from"]:
        START, names = int(names[1]), names[2:]
    print(f"{'':44}{'good: s/r/i':>16}{'bad: s/r/i':>16}")
    for name in names or CASES:
        both = [verdicts(ask) for ask in (CASES[name].good, CASES[name].bad)]
        cells = ["/".join(str(found[k]) for k in get_args(Verdict)) for found in both]
        print(f"{name:44}{cells[0]:>16}{cells[1]:>16}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
