"""The page: self-contained, true to its numbers, and honest about what they do not say."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deconfound.errors import ConfigurationError, RunFolderError
from deconfound.training.history import EpochRecord, History
from deconfound.training.metrics import MethodResult, Scores, ScoresRow
from deconfound.training.report import (
    Adjusted,
    ConfounderEntry,
    Example,
    ReportContext,
    Weighed,
    render_report,
    write_report,
)
from deconfound.training.report.figures import curve_panels
from deconfound.training.table import EMPTY_MASKS

CONFOUNDERS = (
    ConfounderEntry("bright", "lighting", 0.5),
    ConfounderEntry("dark", "lighting", 0.25),
    ConfounderEntry("mucus", "surface", 0.25),
)


def row(kind: str, name: str, dice: float) -> ScoresRow:
    scores = Scores(dice, 0.8 * dice, 0.95)
    return ScoresRow(kind, name, 40, scores, scores)


def result(method: str, dice: float, polyp: float, cyst: float) -> MethodResult:
    rows = (
        row("overall", "overall", dice),
        row("class", "polyp", polyp),
        row("class", "cyst", cyst),
    )
    images = np.clip(np.random.default_rng(0).normal(dice, 0.02, 40), 0, 1)
    return MethodResult(method, rows, np.arange(40), images - images.mean() + dice)


def history(method: str, causal: float) -> History:
    records = [
        EpochRecord(
            method=method,
            epoch=epoch,
            intervening=epoch >= 2,
            learning_rate=1e-4,
            loss=1 / (epoch + 1),
            seg=0.8 / (epoch + 1),
            causal=causal * (epoch >= 2),
            contrast=0.5,
            val_dice=0.5 + 0.05 * epoch,
            val_iou=0.4,
            val_acc=0.9,
            best=epoch >= 2,
            images=100,
            seconds=2.0,
        )
        for epoch in range(6)
    ]
    return History(tuple(records))


def example(weights: tuple[float, ...] = (0.2, 0.3, 0.5)) -> Example:
    source = np.random.default_rng(1)
    truth = np.zeros((32, 32), dtype=int)
    truth[8:20, 8:20] = 1
    return Example(
        title="polyp · image 7",
        image=source.uniform(size=(32, 32, 3)),
        truth=truth,
        predictions={"baseline": np.roll(truth, 5, 0), "mcdrl": truth},
        dice={"baseline": 0.583, "mcdrl": 1.0},
        scores=source.uniform(size=(4, 4)),
        kept=source.uniform(size=(4, 4)) > 0.5,
        weights=np.array(weights),
    )


def adjusted() -> Adjusted:
    source = np.random.default_rng(2)
    truth = np.zeros((32, 32), dtype=int)
    truth[8:20, 8:20] = 1
    before, after = source.uniform(size=(2, 3, 32, 32))
    return Adjusted("Polyp, site A, image 7", before, truth, after, np.roll(truth, 4, 0))


@pytest.fixture
def context() -> ReportContext:
    return ReportContext(
        title="Baseline and MCDRL",
        held_out="Site E",
        ran={"Seed": "0", "Decoder": "Unet"},
        results=(result("baseline", 0.751, 0.78, 0.70), result("mcdrl", 0.816, 0.80, 0.83)),
        histories=(history("baseline", 0.0), history("mcdrl", 0.7)),
        confounders=CONFOUNDERS,
        examples=(example(), example((0.0, 0.3, 0.7))),
        class_names=("polyp", "cyst"),
        command="python -m recipes.endoscopy_mcdrl train --seed 0",
        config={"seed": 0, "note": "</pre><script>alert(1)</script>"},
        notes=("The images were rendered.",),
        created="1 January 2026",
    )


class Page(HTMLParser):
    """Collects tags with attributes, checks nesting, and keeps the text that is shown."""

    VOID = frozenset({"meta", "img", "br", "link", "path", "use", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def test_the_page_needs_nothing_else(context: ReportContext) -> None:
    page = render_report(context)
    parsed = Page(page)
    assert not parsed.all("script")
    assert not parsed.all("link")
    links = [v for _, attrs in parsed.tags for k, v in attrs.items() if k in ("src", "href") and v]
    assert links
    assert all(link.startswith(("data:image/", "#")) for link in links)
    assert "url(http" not in page
    assert "@import" not in page


def test_settings_cannot_break_out_of_their_place(context: ReportContext) -> None:
    page = render_report(replace(context, held_out="<b>E</b> & co", notes=("a < b",)))
    assert "<script>" not in page
    assert "<b>E</b>" not in page
    assert "&lt;b&gt;E&lt;/b&gt; &amp; co" in page


def test_headline_table_and_differences_are_the_results(context: ReportContext) -> None:
    text = Page(render_report(context)).text
    assert "75.1 % Dice" in text
    assert "81.6 % Dice" in text
    assert "+6.5" in text
    assert "polyp 40 78.0 62.4 95.0 80.0 64.0 95.0 +2.0" in text
    assert "cyst 40 70.0 56.0 95.0 83.0 66.4 95.0 +13.0" in text
    assert EMPTY_MASKS in text


def test_the_best_of_a_row_is_bold(context: ReportContext) -> None:
    page = re.sub(r"\s+", " ", render_report(context))
    assert re.search(r'<td class="best starts">81\.6</td>', page)
    assert re.search(r'<td class=" starts">75\.1</td>', page)
    assert '<td class="best">95.0</td>' not in page  # equal in both methods


def test_words_follow_the_numbers(context: ReportContext) -> None:
    text = Page(render_report(context)).text
    assert "mcdrl reached a mean Dice of 81.6% and baseline 75.1%: 6.5 points more" in text
    assert "so the choice of images alone does not explain it" in text
    assert "most favourably from baseline on cyst (+13.0 points) and least on polyp (+2.0" in text
    assert "epoch 6 of 6 for baseline (75.0%)" in text
    assert "moves 40% of its weight away from the prior, most often towards “mucus”" in text
    assert "from image to image it differs by 10%" in text
    assert "not by itself evidence" in text


def test_words_when_the_method_is_worse_or_no_different(context: ReportContext) -> None:
    base, method = context.results
    text = Page(render_report(replace(context, results=(method, base)))).text
    assert "baseline reached a mean Dice of 75.1% and mcdrl 81.6%: 6.5 points fewer" in text
    noise = np.random.default_rng(3).normal(0, 0.2, 40)
    same = MethodResult("mcdrl", base.rows, base.index, base.dice + noise - noise.mean())
    text = Page(render_report(replace(context, results=(base, same)))).text
    assert "no difference" in text
    assert "which includes zero: this run cannot tell the two apart" in text


def test_words_when_attention_ignores_the_image(context: ReportContext) -> None:
    flat = replace(context, examples=(example((0.5, 0.26, 0.24)),))
    assert "almost as if it had not looked at the image" in Page(render_report(flat)).text
    fixed = replace(context, examples=(example((0.1, 0.1, 0.8)), example((0.12, 0.1, 0.78))))
    text = Page(render_report(fixed)).text
    assert "in nearly the same way for every image (they differ by 1.0%)" in text
    assert "from image to image it differs" not in text


def test_regions_that_miss_the_lesions_are_told(context: ReportContext) -> None:
    aside, upon = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    aside[1:3, 1:3] = False
    upon[1:3, 1:3] = True
    missed = replace(context, examples=(replace(example(), kept=aside),))
    text = Page(render_report(missed)).text
    assert "hold 0% of a lesion's pixels, and would hold 75% by chance" in text
    assert "the lesion texts do not point at the lesions" in text
    found = replace(context, examples=(replace(example(), kept=upon),))
    text = Page(render_report(found)).text
    assert "hold 100% of a lesion's pixels, and would hold 25% by chance" in text
    assert "do not point at" not in text


@pytest.mark.parametrize("change", ["all kept", "no lesion"])
def test_nothing_is_said_of_regions_where_nothing_was_selected(
    context: ReportContext, change: str
) -> None:
    one = example()
    if change == "all kept":
        one = replace(one, kept=np.ones_like(one.kept))
    else:
        one = replace(one, truth=np.zeros_like(one.truth))
    assert "by chance" not in Page(render_report(replace(context, examples=(one,)))).text


def test_an_oracle_says_so(context: ReportContext) -> None:
    text = Page(render_report(replace(context, oracle=True))).text
    assert "This is an oracle" in text
    assert "had no say" not in text
    assert "had no say" in Page(render_report(context)).text


def test_pictures_can_be_left_out(context: ReportContext) -> None:
    assert len(Page(render_report(context)).all("img")) == 2 * 5
    page = Page(render_report(context, pictures=False))
    assert not page.all("img")
    assert "Images of Site E" not in page.text


def test_what_was_trained_with_is_shown_below_what_was_found(context: ReportContext) -> None:
    shown = replace(context, examples=(), adjusted=(adjusted(), adjusted()))
    page = Page(render_report(shown))
    assert "What it was trained with" in page.text
    alts = [str(image["alt"]) for image in page.all("img")]
    assert alts == 2 * [
        "Polyp, site A, image 7, as it was found",
        "Polyp, site A, image 7, as it was trained with",
    ]
    found, made = (image["src"] for image in page.all("img")[:2])
    assert found != made
    assert "What it was trained with" not in Page(render_report(shown, pictures=False)).text
    assert "What it was trained with" not in Page(render_report(context)).text


def test_what_counts_is_shown_above_what_hardly_does(context: ReportContext) -> None:
    source, truth = np.random.default_rng(3), adjusted().truth
    most, least = (
        Weighed(f"Polyp, site {site}", source.uniform(size=(3, 32, 32)), truth, weight)
        for site, weight in (("A", 11.04), ("B", 0.31))
    )
    shown = replace(context, examples=(), weighed=((most, least),))
    page = Page(render_report(shown))
    assert "What counts in training" in page.text
    alts = [str(image["alt"]) for image in page.all("img")]
    assert alts == ["Polyp, site A, counts 11.0 times", "Polyp, site B, counts 0.3 times"]
    assert "What counts in training" not in Page(render_report(shown, pictures=False)).text
    assert "What counts in training" not in Page(render_report(context)).text


def test_pictures_are_pictures_and_speak_to_the_blind(context: ReportContext) -> None:
    for image in Page(render_report(context)).all("img"):
        data = str(image["src"]).removeprefix("data:image/jpeg;base64,")
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (320, 320)
        assert "polyp · image 7" in str(image["alt"])


def test_bars_are_grouped_and_to_scale(context: ReportContext) -> None:
    page = Page(render_report(context))
    assert "lighting bright 20.0% dark 30.0% surface mucus 50.0%" in page.text
    styles = [a["style"] for a in page.all("span") if a.get("class") == "fill"]
    widths = [float(re.findall(r"[\d.]+", str(style))[0]) for style in styles]
    assert widths == pytest.approx(
        [100 * w / (1.05 * 0.7) for w in (0.2, 0.3, 0.5, 0.0, 0.3, 0.7)], abs=0.01
    )


def test_a_dice_of_nothing_is_drawn(context: ReportContext) -> None:
    """A loss of exactly 0 was not computed; a Dice of 0 was."""
    lost = History(tuple(replace(each, val_dice=0.0) for each in context.histories[0].records))
    panel = curve_panels(replace(context, histories=(lost, context.histories[1])))[0]
    assert panel.alt == "Validation Dice from first to last epoch: baseline 0 to 0, mcdrl 50 to 75"


def test_an_oracles_curve_says_whose_dice_it_is(context: ReportContext) -> None:
    for oracle, words in ((False, "training sites' held-out patients"), (True, "Site E itself")):
        panel = curve_panels(replace(context, oracle=oracle))[0]
        assert panel.caption == f"percent, {words}"


def test_curves_mark_the_start_and_leave_out_what_was_not_computed(context: ReportContext) -> None:
    page = Page(render_report(context))
    assert len(page.all("svg")) == 5
    assert page.text.count("intervention on") == 5
    plain = replace(context, histories=(history("baseline", 0.0),), results=context.results[:1])
    page = Page(render_report(plain))
    assert len(page.all("svg")) == 4
    assert "Causal loss" not in page.text


def test_drawings_take_the_pages_colours(context: ReportContext) -> None:
    svgs = re.findall(r"<svg.*?</svg>", render_report(context), flags=re.DOTALL)
    assert all("var(--series-0)" in s or "var(--series-1)" in s for s in svgs)
    assert not re.search(r"#0a0b0\d", "".join(svgs))


def test_several_classes_have_a_legend(context: ReportContext) -> None:
    page = Page(render_report(replace(context, multiclass=True)))
    chips = [a["style"] for a in page.all("span") if a.get("class") == "contour"]
    assert chips == ["border-color: #56b4e9", "border-color: #e69f00"]


def test_one_method_alone_has_a_report(context: ReportContext) -> None:
    alone = ReportContext(title="t", held_out="E", ran={}, results=context.results[:1])
    text = Page(render_report(alone)).text
    assert "baseline reached a mean Dice of 75.1%" in text
    assert "difference in Dice" not in text
    assert "Δ Dice" not in text


def test_the_same_run_gives_the_same_page(context: ReportContext) -> None:
    assert render_report(context) == render_report(context)


def test_the_command_and_every_setting_are_there(context: ReportContext) -> None:
    text = Page(render_report(context)).text
    assert "python -m recipes.endoscopy_mcdrl train --seed 0" in text
    assert '"seed": 0' in text


def test_it_is_written_whole(tmp_path: Path, context: ReportContext) -> None:
    path = write_report(tmp_path / "report.html", context)
    assert path.read_text(encoding="utf-8") == render_report(context)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_report(path / "in_a_file.html", context)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": ()}, "needs the result of at least one method"),
        ({"histories": (history("mcdrl", 0.7),)}, "for each of its 2 results or none, got 1"),
        (
            {"confounders": CONFOUNDERS[:2]},
            r"one weight for each of the 2 confounders, got .*\(3,\)",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(
    context: ReportContext, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(context, **change)
