"""What every refuter promises: it does something, and it can be right both ways."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.base import HasRegionPrompts, Refuter, Subject
from deconfound.diagnostics.refuters.worlds import ScmEstimator, ScmSubject, backdoor, regression
from deconfound.simulation import DiscreteSCM, random_scm
from deconfound.types import Confounders


def confounded_world(seed: int = 0) -> DiscreteSCM:
    """Return a world in which adjusting matters: an unlike prior, vectors that are far apart."""
    prior = torch.tensor([0.6, 0.25, 0.15], dtype=torch.float64)
    scm = random_scm(seed, dim=128, strength=0.8)
    return DiscreteSCM(
        prior, scm.base, scm.preferred, 0.8, scm.outcome, scm.features, scm.confounders
    )


class RefuterContract:
    """Subclass it, and give `make`; pytest runs what it promises.

    A refuter whose claim is that the score *stays* cannot catch an estimator that ignores the
    dictionary. It gives in `known_bad` the subject that it is for: every refuter has one.
    """

    def make(self) -> Refuter:
        """Return the refuter under test."""
        raise NotImplementedError("a subclass of RefuterContract returns its refuter here")

    def subject(self, estimator: ScmEstimator = backdoor) -> ScmSubject:
        """Return a small world with an estimator in it."""
        return ScmSubject(confounded_world(), estimator, count=3000)

    def known_bad(self) -> Subject:
        """Return what the refuter must refute; an estimator that ignores the dictionary."""
        return self.subject(regression)

    def test_it_changes_something(self) -> None:
        """Some estimate is asked under a changed dictionary or of a changed subject."""
        subject = Watched(self.subject())
        self.make().refute(subject, (0, 1))
        real = subject.dictionary()
        assert subject.variants or any(not _same(real, z) for z in subject.asked), (
            f"{self.make().name} asked only about the real dictionary: it is a no-op"
        )

    def test_a_real_adjustment_is_supported(self) -> None:
        """The backdoor estimator with the true dictionary survives, and is told so."""
        found = self.make().refute(self.subject(), (0, 1))
        assert found.verdict == "supported", found.reason

    def test_what_is_known_to_be_bad_is_refuted(self) -> None:
        """It can say no; one that always agrees would refute nothing."""
        found = self.make().refute(self.known_bad(), (0, 1))
        assert found.verdict == "refuted", (
            f"{found.reason} Expected 'refuted' of a subject that is known to be bad, found "
            f"{found.verdict!r}; if it is not what this refuter is for, give `known_bad`."
        )

    def test_the_interval_holds_the_effect(self) -> None:
        """Low, effect and high are in order, and the reason is one sentence."""
        found = self.make().refute(self.subject(), (0, 1))
        assert found.low <= found.effect <= found.high
        assert found.verdict in ("supported", "refuted", "inconclusive")
        assert found.reason.endswith(".")
        assert found.name == self.make().name

    def test_the_same_seeds_give_the_same_answer(self) -> None:
        """What is drawn comes from the seeds, and the global random state is left alone."""
        state = torch.get_rng_state()
        first = self.make().refute(self.subject(), (3,))
        assert self.make().refute(self.subject(), (3,)) == first
        assert torch.equal(torch.get_rng_state(), state)

    def test_the_dictionary_is_not_written_to(self) -> None:
        """The subject is left as it was."""
        subject = self.subject()
        before = subject.dictionary()
        kept = Confounders(before.embeddings.clone(), before.prior.clone(), before.names)
        self.make().refute(subject, (0,))
        assert _same(kept, subject.dictionary())


class Watched:
    """A subject that remembers what it was asked."""

    def __init__(self, subject: ScmSubject) -> None:
        self._subject = subject
        self.groups = subject.groups
        self.asked: list[Confounders] = []
        self.variants = 0

    def dictionary(self) -> Confounders:
        """Return the real dictionary."""
        return self._subject.dictionary()

    def estimate(self, confounders: Confounders, seed: int = 0) -> Tensor:
        """Note the dictionary and estimate."""
        self.asked.append(confounders)
        return self._subject.estimate(confounders, seed)

    def with_shuffled_outcomes(self, seed: int) -> Subject:
        """Note that a variant was asked for."""
        self.variants += 1
        return self._subject.with_shuffled_outcomes(seed)

    def with_placebo_regions(self, seed: int) -> Subject:
        """Note that a variant was asked for."""
        assert isinstance(self._subject, HasRegionPrompts), (
            "this refuter asks for other regions: give a `subject` that has them"
        )
        self.variants += 1
        return self._subject.with_placebo_regions(seed)


def assert_recomputed(
    subject: Subject, fresh: Callable[[Confounders], Tensor], changed: Confounders
) -> None:
    """Require that a subject, asked about one dictionary, keeps nothing of it for the next.

    Args:
        subject: which estimates under the real dictionary first, then under the changed one.
        fresh: the scores (n,) under a dictionary, by a model that has seen no other.
        changed: another dictionary.
    """
    subject.estimate(subject.dictionary())
    torch.testing.assert_close(
        subject.estimate(changed),
        fresh(changed),
        msg="the subject answered with something that it computed under another dictionary",
    )


def _same(a: Confounders, b: Confounders) -> bool:
    """Say whether two dictionaries are the same to a model."""
    same_size = a.embeddings.shape == b.embeddings.shape
    return (
        same_size and torch.equal(a.embeddings, b.embeddings) and torch.allclose(a.prior, b.prior)
    )
