"""Methods written as sums, such as ``film+weighting+render``: which parts are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deconfound.benchmark.cells import PLAIN
from deconfound.benchmark.named import NAMED
from deconfound.benchmark.parts import AVERAGED, PARTS, Part
from deconfound.errors import ConfigurationError, unknown_name


def in_order(text: str) -> tuple[str, ...]:
    """Return the terms of a sum as a method's name has them, whatever their order was.

    Args:
        text: names of parts, or of sums of them, with a plus between them.

    Raises:
        UnknownNameError: a term that is neither.
        ConfigurationError: something added to plain training.
    """
    known = list(dict.fromkeys([*NAMED, *PARTS]))
    terms = [term.strip() for term in text.split("+")]
    for term in terms:
        if term not in known:
            raise unknown_name("method or part", term, known)
    if PLAIN in terms and len(terms) > 1:
        raise ConfigurationError(
            f"method {text!r}: plain training has no part to add; leave plain out of the sum"
        )
    return tuple(sorted(terms, key=known.index))


def parts_of(text: str) -> dict[str, Part]:
    """Return the parts of a sum by name, those included that join them unasked, in PARTS' order.

    Args:
        text: the sum.

    Raises:
        UnknownNameError: a term that is neither a part nor a named sum.
        ConfigurationError: two terms that set the same thing, an estimator without an outcome
            model to average, a reading to calibrate that is none, or something added to plain
            training.
    """
    found: dict[str, str] = {}
    for term in in_order(text):
        for part in _spelled_out(term):
            _claim(text, found, part)
    _join(found)
    _require_outcome_model(text, found)
    _require_reading(text, found)
    return {name: part for name, part in PARTS.items() if found.get(part.sets) == name}


def _spelled_out(term: str) -> Iterable[str]:
    """Return the parts that a term stands for; a named sum is made of parts alone."""
    return filter(None, NAMED[term].parts.split("+")) if term in NAMED else (term,)


def _claim(text: str, found: dict[str, str], name: str) -> None:
    """Let a part set what it sets, unless another one has."""
    sets = PARTS[name].sets
    if sets in found:
        raise ConfigurationError(
            f"method {text!r}: expected one choice of {sets.replace('_', ' ')}, found "
            f"{found[sets]} and {name}; leave one of them out"
        )
    found[sets] = name


def _join(found: dict[str, str]) -> None:
    """Add what parts need beside them, and what that needs, where nothing else was asked for."""
    waiting = list(found.values())
    for name in waiting:
        beside = PARTS[name].beside
        if beside is not None and PARTS[beside].sets not in found:
            found[PARTS[beside].sets] = beside
            waiting.append(beside)


def _require_outcome_model(text: str, found: Mapping[str, str]) -> None:
    """Refuse a sum over z of a layer that has no A(f, z) of a single z."""
    summing = found.get("estimator", found.get("average"))
    if summing is not None and found["intervention"] not in AVERAGED:
        raise ConfigurationError(
            f"method {text!r}: {summing} sums an outcome model over z, expected one of "
            f"{', '.join(AVERAGED)}, found {found['intervention']}; exchange it, or leave "
            f"{summing} out"
        )


def _require_reading(text: str, found: Mapping[str, str]) -> None:
    """Refuse to calibrate a reading of words where weights are read in the surroundings."""
    if "calibrate" in found and "weigh_by" in found:
        raise ConfigurationError(
            f"method {text!r}: {found['calibrate']} fits the reading of words, expected weights "
            f"that go by it, found {found['weigh_by']}; leave one of them out"
        )
