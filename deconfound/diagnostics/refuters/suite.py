"""All refuters, one after the other, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deconfound.diagnostics.refuters.base import SEEDS, Refutation, Refuter, Subject, Verdict
from deconfound.diagnostics.refuters.dummy_outcome import DummyOutcome
from deconfound.diagnostics.refuters.interval import require_groups
from deconfound.diagnostics.refuters.other_words import Encode, IrrelevantText, Paraphrases
from deconfound.diagnostics.refuters.part_of_dictionary import LeaveOneOut, Subset
from deconfound.diagnostics.refuters.permuted_pairs import PermutedPairs
from deconfound.diagnostics.refuters.placebo import PlaceboDictionary
from deconfound.diagnostics.refuters.placebo_regions import PlaceboRegions
from deconfound.diagnostics.refuters.random_common_cause import RandomCommonCause
from deconfound.diagnostics.refuters.unobserved_confounder import UnobservedConfounder
from deconfound.errors import ConfigurationError
from deconfound.packs import PromptPack


def default_refuters(
    names: Sequence[str], pack: PromptPack | None = None, encode: Encode | None = None
) -> tuple[Refuter, ...]:
    """Return every refuter that can be asked.

    Args:
        names: the confounders, each of which is left out once.
        pack: whose words are replaced; with ``encode``.
        encode: the text tower; without it, nothing is said in other words.
    """
    words: tuple[Refuter, ...] = ()
    if pack is not None and encode is not None:
        texts = [one.text for group in pack.groups for one in group.confounders]
        words = (IrrelevantText(encode, pack.templates.confounder), Paraphrases(encode, texts))
    return (
        PlaceboDictionary(),
        *words,
        PermutedPairs(),
        RandomCommonCause(),
        DummyOutcome(),
        PlaceboRegions(),
        UnobservedConfounder(),
        Subset(),
        *(LeaveOneOut(name) for name in names),
    )


def refute(
    subject: Subject,
    refuters: Sequence[Refuter],
    seeds: Sequence[int] = SEEDS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Refutation, ...]:
    """Ask one refuter after the other; what none could be asked is refused before the first is.

    Args:
        subject: what is doubted.
        refuters: who doubts; one or more.
        seeds: of each; one or more.
        progress: called with how many have answered, and of how many.

    Returns:
        The answers, in the order of the refuters.

    Raises:
        ConfigurationError: no refuter, no seed, or units of a single group.
        DeconfoundError: whatever else a refuter cannot be asked of this subject, such as a
            confounder that the dictionary does not have.
    """
    if not refuters:
        raise ConfigurationError("refute: expected at least one refuter, found none; name some")
    require_groups(subject.groups)
    for refuter in refuters:
        refuter.validate(subject, seeds)
    answers = []
    for refuter in refuters:
        answers.append(refuter.refute(subject, seeds))
        if progress is not None:
            progress(len(answers), len(refuters))
    return tuple(answers)


def overall(refutations: Sequence[Refutation]) -> Verdict:
    """Return what the decisive refuters say together.

    One refuted claim refutes the adjustment. It is supported where no claim is open but those that
    could not be asked (an effect that is not a number).
    """
    asked = [r.verdict for r in refutations if r.decisive and r.answered]
    if "refuted" in asked:
        return "refuted"
    return "supported" if asked and set(asked) == {"supported"} else "inconclusive"
