"""The section "What did the model use?": there when asked for, true to its numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from deconfound.diagnostics import (
    Agreement,
    ClassProbe,
    Counterfactuals,
    KernelTest,
    LeaveOut,
    OverlapWarning,
    SiteProbe,
    WhatWasUsed,
    attention_divergence,
    class_overlap,
    dictionary_health,
    site_posterior,
)
from deconfound.training.report import ReportContext, render_report
from deconfound.training.report.rows import LETTERS, folded
from deconfound.types import Confounders
from tests.training.test_report import Page, result

NAMES = ("dark", "bright", "blur")
EMBEDDINGS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, -0.3, 1]])
BY_CLASS = (ClassProbe(-1, 0.5, 0.3, 8), ClassProbe(1, 0.68, 0.37, 12))


@pytest.fixture
def used() -> WhatWasUsed:
    g = torch.Generator().manual_seed(0)
    change = torch.tensor([0.5, 0.0, 1.0])[:, None, None, None].expand(3, 2, 8, 8)
    prior = torch.tensor([0.5, 0.25, 0.25])
    probabilities = torch.full((3, 2, 1, 8, 8), 0.5)
    probabilities[0, 1, 0, :4] = 0.8
    return WhatWasUsed(
        names=NAMES,
        prompts=NAMES,
        sites=("A", "B", "C"),
        images=20,
        close=torch.rand(2, 3, 8, 8, generator=g),
        attention=attention_divergence(torch.eye(3)[None], prior),
        leave_out=LeaveOut(NAMES, change, torch.zeros(3, 2)),
        counterfactual=Counterfactuals(NAMES, probabilities),
        jensen=torch.zeros(2, 8, 8).index_fill(0, torch.tensor([0]), 0.02),
        done=None,
        posterior=site_posterior(
            torch.eye(3)[[0, 0, 1, 2]], torch.tensor([0, 0, 0, 1]), "ABC", NAMES
        ),
        overlap=tuple(OverlapWarning("polyp", f"z{i}", 4.0, 0.1) for i in range(8)),
        probe=SiteProbe(0.61, 0.34, 0.005, 20, False, BY_CLASS),
        probe_before=SiteProbe(0.72, 0.34, 0.005, 20, grouped=False),
        kernel=KernelTest(1.2, 0.4, 20, 8),
        agreement=(Agreement("dark", "luminance", -1, 0.5, (0.2, 0.7), 0.81, (0.7, 0.9), 20),),
        health=dictionary_health(Confounders(EMBEDDINGS, prior, NAMES)),
        cells=class_overlap(
            torch.eye(3)[[0] * 8 + [1] * 8],
            torch.tensor([0] * 4 + [1] * 12),
            ("polyp", "cyst"),
            NAMES,
            torch.ones(3) / 3,
        ),
    )


def page(used: WhatWasUsed | None, **changes) -> Page:
    context = ReportContext("A run", "Site E", {}, (result("baseline", 0.7, 0.7, 0.7),), used=used)
    return Page(render_report(replace(context, **changes)))


def test_the_section_is_left_out_where_nothing_was_asked() -> None:
    assert "What did the model use?" not in page(None).text


def test_sentences_say_the_numbers(used) -> None:
    text = page(used).text
    assert "What did the model use? baseline, asked about 20 images of A, B, C." in text
    assert (
        "in 61% of 20 images, against 34% by chance given the lesion class, and 72% before" in text
    )
    assert "the features still know the site (p = 0.005; patients unknown" in text
    assert "features do not visibly depend on the site given the class (p = 0.4" in text
    # half of one image of two has values 0.8, 0.5, 0.5: a standard deviation of 0.3·√2/3
    assert "varies by 3.5 points on average and by 14 at most" in text
    assert "by 1.00 points on average and by 2.0 at most (Jensen gap)" in text
    assert "3 embeddings fill 3.0 directions; no two of them say the same" in text
    assert "polyp under z0: expected about 4.0 images, found 0.1; polyp under z1" in text
    assert "z5: expected about 4.0 images, found 0.1; and 2 more." in text


def test_every_drawing_has_words_and_the_pages_colours(used) -> None:
    drawn = page(used)
    labels = [a["aria-label"] for a in drawn.all("figure") if a.get("role") == "img"]
    assert labels == [
        "Without each confounder. Most for blur (1)",
        "Attention against the prior. Mean divergence of attention from the prior: 1.052",
        "Confounders by site. A mostly dark; B mostly blur",
        "Overlap of class and confounder. Too few: cyst under blur",
        "Site found from the features. all images 61% against 34%; class unknown 50% against 30%; "
        "cyst 68% against 37%",
        "Prompts against pixels. dark 0.81",
        "What the prompts have in common. Most alike: dark and bright (0.00)",
    ]
    context = ReportContext("A run", "E", {}, (result("baseline", 0.7, 0.7, 0.7),), used=used)
    svgs = re.findall(r"<svg.*?</svg>", render_report(context), flags=re.DOTALL)
    assert len(svgs) == 7
    assert not re.search(r"#0a0b0\d", "".join(svgs))


@pytest.mark.parametrize("name", ["dark", "wrong time-gain compensation and darkness at depth" * 3])
def test_a_long_name_is_folded_and_leaves_room_for_what_is_drawn(used, name) -> None:
    lines = folded(name).split("\n")
    assert len(lines) <= 2
    assert max(map(len, lines)) <= LETTERS
    context = ReportContext("A run", "E", {}, (result("baseline", 0.7, 0.7, 0.7),))
    shown = render_report(replace(context, used=replace(used, names=(name, "b", "c"))))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", shown)
    assert lines[0] in drawn
    assert max(map(len, drawn)) < 60


def test_the_spread_is_shown_where_there_is_one_and_pictures_may_be(used) -> None:
    shown = page(used)
    assert [image["alt"] for image in shown.all("img")] == [
        "Image 1 as it is",
        "Image 1 under dark, 0.0% lesion",
        "Image 1 under bright, 0.0% lesion",
        "Image 1 under blur, 0.0% lesion",
        "Image 2 as it is",
        "Image 2 under dark, 50.0% lesion",
        "Image 2 under bright, 0.0% lesion",
        "Image 2 under blur, 0.0% lesion",
        "Image 2: where its mask depends on the confounder, up to 14 points",
        "Image 1: where averaging early changes its mask, up to 2 points",
    ]
    context = ReportContext("A run", "E", {}, (result("baseline", 0.7, 0.7, 0.7),), used=used)
    assert not Page(render_report(context, pictures=False)).all("img")


def test_masks_under_drawn_confounders_are_shown_on_what_was_drawn(used) -> None:
    assert used.counterfactual is not None
    as_it_is = (255 * used.close).round().byte()
    shown = torch.stack([as_it_is, as_it_is // 2, 255 - as_it_is])
    several = torch.zeros(3, 2, 3, 8, 8).index_fill(2, torch.tensor([2]), 1.0)
    done = Counterfactuals(NAMES, several, shown)
    drawn = page(replace(used, done=done, counterfactual=None, jensen=None))
    assert [image["alt"] for image in drawn.all("img")][:3] == [
        "Image 1 as it is",
        "Image 1 under dark, 100.0% lesion",
        "Image 1 under bright, 100.0% lesion",
    ]
    assert "Each confounder that can be drawn is drawn onto the image" in drawn.text
    assert (
        "When each of the 3 confounders, of 3, that can be drawn is drawn onto the pictures"
        in drawn.text
    )
    sources = [image["src"] for image in drawn.all("img")]
    assert len(set(sources[1:4])) == 3


def test_thin_cells_and_near_duplicates_are_outlined(used) -> None:
    def outlines(changed: WhatWasUsed) -> int:
        context = ReportContext("A", "E", {}, (result("baseline", 0.7, 0.7, 0.7),), used=changed)
        return len(re.findall(r"fill: none; stroke: var\(--series-2\)", render_report(context)))

    assert outlines(used) == 1  # cyst under blur
    same = Confounders(torch.ones(3, 3), torch.ones(3) / 3, NAMES)
    assert outlines(replace(used, health=dictionary_health(same))) == 1 + 6


def test_a_kernel_test_that_was_not_made_says_what_to_install(used) -> None:
    text = page(replace(used, kernel=None, kernel_missing=True)).text
    assert "was not computed: the kernel test needs causal-learn" in text
    assert 'pip install "deconfound[diagnostics]"' in text
    assert "Of any shape (kernel test): p = 0.4." in page(used).text
    assert "kernel test" not in page(replace(used, kernel=None)).text


def test_it_works_with_the_least_there_can_be(used) -> None:
    least = replace(
        used,
        attention=None,
        leave_out=None,
        counterfactual=None,
        jensen=None,
        overlap=(),
        probe=None,
        probe_before=None,
        kernel=None,
        agreement=(),
        health=None,
        cells=None,
    )
    text = page(least).text
    assert "Confounders by site" in text
    assert "linear probe" not in text
    assert "overlap" not in text
    nothing = LeaveOut(NAMES, torch.zeros(3, 2, 8, 8), torch.zeros(3, 2))
    labels = [a.get("aria-label") for a in page(replace(least, leave_out=nothing)).all("figure")]
    assert "Without each confounder. Nothing changes" in labels
