"""The page: self-contained, true to the answers, and honest about what they do not say."""

from __future__ import annotations

import re

import pytest

from deconfound.diagnostics.refuters import (
    PlaceboDictionary,
    RandomCommonCause,
    Refutation,
    UnobservedConfounder,
    default_refuters,
)
from deconfound.refuting.figures import answer_panels
from deconfound.refuting.findings import Findings
from deconfound.refuting.prose import reading
from deconfound.refuting.report import write_report

NAN = float("nan")


def answer(refuter, effect, verdict, half=0.005):
    found = Refutation(refuter.name, effect, effect - half, effect + half, verdict, "Because.")
    return refuter, found


def findings(placebo="supported", mode="inference", **changes) -> Findings:
    unasked = Refutation("unobserved confounder", NAN, NAN, NAN, "inconclusive", "No view.", False)
    answers = (
        answer(PlaceboDictionary(), -0.0321, placebo),
        answer(RandomCommonCause(), -0.00001, "supported"),
        (UnobservedConfounder(), unasked),
    )
    told = {"method": "mcdrl", "images": 40, "source": "site E", "intervening": True, "seeds": 3}
    return Findings(**{**told, **changes}, mode=mode, answers=answers)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("run") / "refute" / "refutation.html"
    return write_report(path, findings(), "deconfound refute runs/<mine>").read_text()


def test_every_answer_is_on_the_page_in_points_of_dice(page) -> None:
    assert "<td>−3.21</td><td>−3.71 to −2.71</td>" in page
    assert "<td>0.00</td>" in page  # no sign where there is no change
    assert "Without an answer. No view." in page
    for refuter, _ in findings().answers:
        assert refuter.asks.replace("'", "&#39;") in page


def test_it_needs_nothing_but_a_browser(page) -> None:
    assert "--paper: #fbfaf7" in page
    assert not re.search(r"<(script|link|img)\b|url\((?!#)|@import", page)
    assert "https://" not in page.replace("http://www.w3.org", "")
    assert "runs/&lt;mine&gt;" in page


def test_what_counts_is_drawn_and_what_was_not_asked_is_not() -> None:
    (panel,) = answer_panels(findings().answers)
    assert "placebo dictionary −3.21" in panel.alt.replace("-", "−")
    assert "unobserved" not in panel.content


def test_another_scale_is_another_drawing() -> None:
    asked = (*findings().answers[:2], answer(UnobservedConfounder(), 0.4, "supported", 0.1))
    panels = answer_panels(asked)
    assert [panel.title for panel in panels] == ["Those that decide", "On another scale"]
    assert "+0.40" in panels[1].alt


def test_words_follow_the_verdict() -> None:
    supported, refuted, undecided = (
        " ".join(reading(findings(verdict))) for verdict in ("supported", "refuted", "inconclusive")
    )
    assert "holds: placebo dictionary and random common cause" in supported
    assert "proves no adjustment" in supported
    assert "Refuted by placebo dictionary." in refuted
    assert "too wide to support placebo dictionary." in undecided
    assert "Without an answer here: unobserved confounder" in undecided


def test_words_say_what_was_asked_the_model_or_the_method() -> None:
    run_again, trained = (" ".join(reading(findings(mode=m))) for m in ("inference", "retraining"))
    assert "what this model does" in run_again
    assert "trained again with every dictionary, 3 times each" in trained
    once = " ".join(reading(findings(mode="retraining", seeds=1)))
    assert "once each" in once
    assert "over images alone" in once
    assert "bypasses it" in " ".join(reading(findings(intervening=False)))


def test_every_refuter_that_is_asked_by_default_says_what_it_asks() -> None:
    for refuter in default_refuters(["blur"]):
        assert refuter.asks.endswith("?"), refuter.name
