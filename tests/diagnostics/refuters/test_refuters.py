"""Refuters in worlds whose answer is known: right both ways, and none that does nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, permutations
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deconfound.diagnostics.refuters import (
    ChangedDictionary,
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
    Subset,
    attention,
    backdoor,
    overall,
    refute,
    regression,
)
from deconfound.diagnostics.refuters.permuted_pairs import LEAST
from deconfound.diagnostics.refuters.placebo import rotated
from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.testing.refuters import RefuterContract, confounded_world
from deconfound.testing.scm_strategies import scms
from deconfound.testing.strategies import seeds
from deconfound.types import Confounders
from tests.diagnostics.refuters.bad_subjects import (
    Flattering,
    Frozen,
    Regional,
    added_up,
    tower,
    without_regions,
)
from tests.diagnostics.refuters.rates import WORLDS, worlds


class TestPlacebo(RefuterContract):
    def make(self):
        return PlaceboDictionary()


class TestPermuted(RefuterContract):
    def make(self):
        return PermutedPairs()


class TestIrrelevantText(RefuterContract):
    def make(self):
        return IrrelevantText(tower(confounded_world()), "An image with {confounder}")


class TestParaphrases(RefuterContract):
    of_the_sentence = 0.2

    def make(self):
        scm = confounded_world()
        return Paraphrases(tower(scm, self.of_the_sentence), scm.dictionary().names)

    def test_what_is_known_to_be_bad_is_refuted(self) -> None:
        """Here the subject is as good as ever: what is bad is a tower that reads the wording."""
        self.of_the_sentence = 1.0
        super().test_what_is_known_to_be_bad_is_refuted()

    def known_bad(self):
        return ScmSubject(confounded_world(), count=8000)


class TestPlaceboRegions(RefuterContract):
    def make(self):
        return PlaceboRegions()

    def subject(self, estimator=backdoor):
        return Regional(confounded_world(), estimator, count=3000)

    def known_bad(self):
        return self.subject(without_regions)


class TestRandomCommonCause(RefuterContract):
    def make(self):
        return RandomCommonCause()

    def known_bad(self):
        return self.subject(added_up)


class TestLeaveOneOut(RefuterContract):
    def make(self):
        return LeaveOneOut("z2")  # of this world's confounders the one that counts


class TestSubset(RefuterContract):
    def make(self):
        return Subset(0.3)  # one of three names


class TestDummyOutcome(RefuterContract):
    def make(self):
        return DummyOutcome()

    def known_bad(self):
        return Flattering(confounded_world(), count=3000)


# --- known-bad refuters fail the contract -----------------------------------------------


class NoOp(PlaceboDictionary):
    """A placebo that is the real dictionary."""

    def change(self, confounders, seed):
        return confounders


class Reordered(PlaceboDictionary):
    """Rows in another order, each with its own prior: the same dictionary to any model."""

    def change(self, confounders, seed):
        return Confounders(
            confounders.embeddings.flip(0), confounders.prior.flip(0), confounders.names[::-1]
        )


class Saying(Refuter):
    """Gives one answer, whatever it sees."""

    verdict = "supported"

    def judged(self, found):
        return replace(super().judged(found), verdict=self.verdict)


class YesMan(Saying, PlaceboDictionary):
    """Supports everything."""


class Undecided(Saying, PlaceboDictionary):
    """Never takes a side."""

    verdict = "inconclusive"


class Grumbler(Saying, RandomCommonCause):
    """Refutes everything."""

    verdict = "refuted"


class CoinYesMan(Saying, RandomCommonCause):
    """Adds a common cause, and supports everything."""


class Vandal(PlaceboDictionary):
    """Writes to the dictionary it is shown."""

    def change(self, confounders, seed):
        confounders.embeddings.mul_(-1)
        return super().change(confounders, seed)


class Dice(PlaceboDictionary):
    """Draws from the global random state."""

    def change(self, confounders, seed):
        return super().change(confounders, int(torch.randint(1000, ())))


class QuietNoOp(RandomCommonCause):
    """Adds no common cause, so the score stays."""

    def change(self, confounders, seed):
        return confounders


class QuietYesMan(Saying, QuietNoOp):
    """Adds no common cause, and supports everything."""


CHANGES = "test_it_changes_something"
SUPPORTS = "test_a_real_adjustment_is_supported"
REFUTES = "test_what_is_known_to_be_bad_is_refuted"


@pytest.mark.parametrize(
    ("contract", "bad", "promise"),
    [
        (TestPlacebo, NoOp, CHANGES),
        (TestPlacebo, NoOp, SUPPORTS),
        (TestPlacebo, Reordered, SUPPORTS),
        (TestPlacebo, Undecided, SUPPORTS),
        (TestPlacebo, YesMan, REFUTES),
        (TestPlacebo, Undecided, REFUTES),
        (TestPlacebo, Vandal, "test_the_dictionary_is_not_written_to"),
        (TestPlacebo, Dice, "test_the_same_seeds_give_the_same_answer"),
        (TestRandomCommonCause, QuietNoOp, CHANGES),
        (TestRandomCommonCause, QuietNoOp, REFUTES),
        (TestRandomCommonCause, QuietYesMan, CHANGES),
        (TestRandomCommonCause, QuietYesMan, REFUTES),
        (TestRandomCommonCause, CoinYesMan, REFUTES),
        (TestRandomCommonCause, Grumbler, SUPPORTS),
    ],
)
def test_a_known_bad_refuter_fails_the_contract(contract, bad, promise) -> None:
    under_test = contract()
    under_test.make = bad
    with pytest.raises(AssertionError):
        getattr(under_test, promise)()


def test_a_refuter_of_stays_is_told_to_give_what_it_is_for() -> None:
    contract = RefuterContract()
    contract.make = RandomCommonCause
    with pytest.raises(AssertionError, match="give `known_bad`"):
        contract.test_what_is_known_to_be_bad_is_refuted()


# --- a hundred worlds, both ways; `test_rates.py` asks every refuter ---------------------


@pytest.mark.parametrize(
    ("estimators", "right"),
    [((backdoor,), "supported"), ((regression, attention), "refuted")],
    ids=["adjusting", "not adjusting"],
)
def test_the_verdict_is_right_in_95_of_100_worlds(estimators, right) -> None:
    refuters = (PlaceboDictionary(), RandomCommonCause())
    verdicts = [
        overall(refute(ScmSubject(scm, one, count=2000), refuters, (0, 1)))
        for scm, one in zip(worlds(), cycle(estimators), strict=False)
    ]
    assert verdicts.count(right) >= 0.95 * WORLDS, {v: verdicts.count(v) for v in verdicts}


def test_a_frozen_reading_that_ignores_the_dictionary_is_refuted() -> None:
    """An adjustment that is real, but owes nothing to the dictionary it is given."""
    assert PlaceboDictionary().refute(Frozen(confounded_world())).verdict == "refuted"


def test_a_score_that_does_not_look_at_outcomes_is_caught_by_dummies() -> None:
    found = DummyOutcome().refute(Flattering(confounded_world(), count=2000))
    assert found.verdict == "refuted"
    assert found.effect == pytest.approx(-0.1, abs=0.01)


@pytest.mark.parametrize("deals", [0, -1])
def test_dummies_are_dealt_at_least_once(deals) -> None:
    with pytest.raises(ConfigurationError, match=f"at least 1, found {deals}"):
        DummyOutcome(deals=deals)


# --- what each of them does --------------------------------------------------------------


@given(seed=seeds, count=st.integers(1, 12), width=st.integers(2, 40))
def test_a_placebo_keeps_norms_and_gram_matrix(seed, count, width) -> None:
    vectors = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    turned = rotated(vectors, seed)
    torch.testing.assert_close(turned @ turned.T, vectors @ vectors.T, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(turned, vectors)


def test_rotations_point_everywhere() -> None:
    """Drawn evenly, so every coordinate of a turned unit vector has mean 0 and variance 1/d."""
    unit = torch.eye(4)[:1].double()
    turned = torch.cat([rotated(unit, seed) for seed in range(2000)])
    assert turned.mean(dim=0).abs().max() < 0.05
    assert (turned.var(dim=0) - 1 / 4).abs().max() < 0.03


@given(scm=scms(least=2), seed=seeds)
def test_permuted_pairs_are_the_same_vectors_under_other_priors(scm, seed) -> None:
    z = scm.dictionary()
    changed = PermutedPairs().change(z, seed)
    if changed is None:
        orders = permutations(z.prior.tolist())
        assert max(moved(z.prior, torch.tensor(o).double()) for o in orders) < LEAST + 1e-9
        return
    assert changed.names == z.names
    assert torch.equal(changed.prior, z.prior)
    assert sorted(changed.embeddings.tolist()) == sorted(z.embeddings.tolist())


@given(scm=scms(least=2), seed=seeds)
def test_no_permutation_moves_more_of_the_prior(scm, seed) -> None:
    z = scm.dictionary()
    changed = PermutedPairs().change(z, seed)
    assume(changed is not None)
    paired = {tuple(row): p for row, p in zip(z.embeddings.tolist(), z.prior.tolist(), strict=True)}
    now = [paired[tuple(row)] for row in changed.embeddings.tolist()]
    found = moved(z.prior, torch.tensor(now).double())
    for order in permutations(z.prior.tolist()):
        assert found >= moved(z.prior, torch.tensor(order).double()) - 1e-9


def moved(before: torch.Tensor, after: torch.Tensor) -> float:
    """The share of the prior that changes hands."""
    return (before - after).abs().sum().item() / 2


def test_permuting_pairs_of_equal_prior_has_no_answer() -> None:
    scm = confounded_world()
    uniform = replace(scm, prior=torch.full((3,), 1 / 3, dtype=torch.float64))
    found = PermutedPairs().refute(ScmSubject(uniform, count=100))
    assert found.verdict == "inconclusive"
    assert found.to_json()["effect"] is None


@given(scm=scms(dim=12), seed=seeds)
def test_a_random_common_cause_leaves_every_confounder_its_share(scm, seed) -> None:
    z = scm.dictionary()
    crossed = RandomCommonCause().change(z, seed)
    m = len(z.names)
    torch.testing.assert_close(crossed.prior[:m] + crossed.prior[m:], z.prior)
    torch.testing.assert_close((crossed.embeddings[:m] + crossed.embeddings[m:]) / 2, z.embeddings)
    step = (crossed.embeddings[:m] - crossed.embeddings[m:]) / 2
    assert (step @ z.embeddings.T).abs().max() < 1e-8
    assert step.norm() > 0
    assert len(set(crossed.names)) == 2 * m


@settings(max_examples=10)
@given(scm=scms(least=2), seed=seeds, share=st.floats(0.05, 0.95))
def test_a_part_of_the_dictionary_is_a_dictionary(scm, seed, share) -> None:
    z = scm.dictionary()
    for change in (LeaveOneOut("z1"), Subset(share)):
        part = change.change(z, seed)
        assert 0 < len(part.names) < len(z.names)
        torch.testing.assert_close(part.prior.sum(), torch.ones((), dtype=torch.float64))
        rows = [z.names.index(name) for name in part.names]
        assert torch.equal(part.embeddings, z.embeddings[rows])
        torch.testing.assert_close(part.prior / part.prior[0], z.prior[rows] / z.prior[rows[0]])


def test_what_cannot_be_asked_says_so() -> None:
    subject = ScmSubject(confounded_world(), count=50)
    assert PlaceboRegions().refute(subject).verdict == "inconclusive"
    with pytest.raises(UnknownNameError, match="unknown confounder 'zz'"):
        LeaveOneOut("zz").refute(subject)
    with pytest.raises(ConfigurationError, match="share must lie in"):
        Subset(1.0)
    with pytest.raises(ConfigurationError, match="at least one seed"):
        PlaceboDictionary().refute(subject, ())


class Untouched(ScmSubject):
    """A subject that must not be estimated."""

    def estimate(self, confounders, seed=0):
        raise AssertionError("something was estimated")


@pytest.mark.parametrize(
    ("refuters", "seeds", "error", "words"),
    [
        ([PlaceboDictionary(), LeaveOneOut("zz")], (0,), UnknownNameError, "confounder 'zz'"),
        ([PlaceboDictionary()], (), ConfigurationError, "at least one seed"),
        ([PlaceboRegions()], (), ConfigurationError, "at least one seed"),
        ([], (0,), ConfigurationError, "at least one refuter"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is(refuters, seeds, error, words) -> None:
    with pytest.raises(error, match=words):
        refute(Untouched(confounded_world(), count=50), refuters, seeds)


def test_one_patient_alone_is_refused_before_anything_is_asked() -> None:
    subject = Untouched(confounded_world(), count=1)
    with pytest.raises(ConfigurationError, match="at least two groups"):
        refute(subject, [PlaceboDictionary()], (0,))


def test_the_answers_are_there_when_it_returns() -> None:
    seen = []
    refuters = (PlaceboDictionary(), RandomCommonCause())
    found = refute(
        ScmSubject(confounded_world(), count=500), refuters, (0,), lambda *done: seen.append(done)
    )
    assert [one.name for one in found] == [one.name for one in refuters]
    assert seen == [(1, 2), (2, 2)]


def test_a_changed_dictionary_needs_a_change() -> None:
    with pytest.raises(TypeError):
        ChangedDictionary()


def test_what_never_occurs_is_no_dictionary() -> None:
    z = Confounders(torch.eye(2), torch.tensor([1.0, 0.0]), ("blood", "never"))
    assert LeaveOneOut("blood").change(z, 0) is None
    assert LeaveOneOut("never").change(z, 0).names == ("blood",)
    subject = SimpleNamespace(dictionary=lambda: z)
    reason = LeaveOneOut("blood").refute(subject, (0,)).reason
    assert reason == "Without 'blood', nothing that occurs would be left."
