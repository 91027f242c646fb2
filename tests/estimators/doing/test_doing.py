"""do(z) on pictures: what is set, what is kept, and that class and surroundings come apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from deconfound.errors import ConfigurationError, ShapeError, UnknownNameError
from deconfound.estimators.doing import (
    OPERATIONS,
    Pictures,
    Render,
    Restyle,
    Transplant,
    doings,
    suggested,
)
from deconfound.estimators.doing.continuing import continued
from deconfound.estimators.doing.edges import dilated, grown, soft_edge
from deconfound.estimators.doing.gain import local_gain
from deconfound.estimators.doing.paint_over import paint_over
from deconfound.estimators.doing.rescale import rescaled
from deconfound.estimators.doing.style import restyled, style_of
from deconfound.packs import PromptPack
from deconfound.testing.doing import DoingContract, sample_pictures

seeds = st.integers(0, 10_000)


class TestRestyle(DoingContract):
    def make(self, probability):
        return Restyle(probability)


class TestTransplant(DoingContract):
    def make(self, probability):
        return Transplant(probability)


class TestTransplantAsItIs(DoingContract):
    def make(self, probability):
        return Transplant(probability, tone="none")


class TestTransplantByLocalGain(DoingContract):
    def make(self, probability):
        return Transplant(probability, tone="gain")


class TestTransplantByStyle(DoingContract):
    def make(self, probability):
        return Transplant(probability, tone="style")


class TestTransplantAtAnotherDistance(DoingContract):
    def make(self, probability):
        return Transplant(probability, zoom=2.0)


class TestTransplantWithAMargin(DoingContract):
    def make(self, probability):
        return Transplant(probability, margin=0.5)


class TestRender(DoingContract):
    def make(self, probability):
        return Render(tuple(OPERATIONS), probability)


@pytest.mark.parametrize("name", OPERATIONS)
class TestEveryOperation:
    def test_keeps_the_contract(self, name: str) -> None:
        before = sample_pictures()
        after = Render([name], 1.0)(before, torch.Generator().manual_seed(0))
        assert after.image.shape == before.image.shape
        assert 0 <= after.image.min() <= after.image.max() <= 1
        assert not torch.allclose(after.image, before.image, atol=1e-3)

    def test_only_a_moved_camera_moves_the_mask(self, name: str) -> None:
        before = sample_pictures()
        after = Render([name], 1.0)(before, torch.Generator().manual_seed(0))
        moved = not torch.equal(after.mask, before.mask)
        assert moved == (name in ("approach", "retreat"))

    def test_the_stronger_the_more(self, name: str) -> None:
        before = sample_pictures()

        def change(strength: float) -> float:
            total = 0.0
            for seed, (image, mask) in enumerate(zip(before.image, before.mask, strict=True)):
                g = torch.Generator().manual_seed(seed)
                drawn, _ = OPERATIONS[name](image, mask, strength, g)
                total += float((drawn.clamp(0, 1) - image).abs().mean())
            return total

        assert change(1.0) > change(0.3) > 0


def test_a_near_view_enlarges_the_lesion_and_a_far_view_shrinks_it() -> None:
    before = sample_pictures()
    for name, larger in (("approach", True), ("retreat", False)):
        g = torch.Generator().manual_seed(0)
        _, mask = OPERATIONS[name](before.image[0], before.mask[0], 0.8, g)
        assert ((mask > 0).sum() > (before.mask[0] > 0).sum()) == larger


@given(seeds)
def test_a_restyled_picture_has_the_donors_moments(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    # Styles around mid-grey that nothing cuts at 0 or 1, and that spread in every direction by
    # more than the deviation that a style is taken to have at least.
    drawn = torch.randn((2, 3, 3), generator=g)
    mixing = 0.04 * torch.eye(3) + 0.003 * drawn @ drawn.mT
    image = 0.5 + 0.05 * torch.rand((2, 3, 1, 1), generator=g)
    image = image + (mixing @ torch.randn((2, 3, 400), generator=g)).view(2, 3, 20, 20)
    pictures = Pictures(image.clamp(0.05, 0.95), torch.zeros(2, 20, 20).long(), torch.zeros(2))
    own = style_of(pictures)
    donors = torch.tensor([1, 0])
    after = style_of(pictures.with_image(restyled(pictures.image, own, own.take(donors))))
    torch.testing.assert_close(after.mean, own.mean[donors], atol=1e-5, rtol=0)
    torch.testing.assert_close(after.spread, own.spread[donors], atol=1e-5, rtol=0)


@given(seeds)
def test_a_picture_in_its_own_style_is_itself(seed: int) -> None:
    pictures = sample_pictures(seed=seed)
    own = style_of(pictures)
    torch.testing.assert_close(restyled(pictures.image, own, own), pictures.image)


def test_the_lesion_is_no_part_of_the_style() -> None:
    pictures = sample_pictures()
    recoloured = torch.where(pictures.mask[:, None] > 0, 0.9, pictures.image)
    one, other = style_of(pictures), style_of(pictures.with_image(recoloured))
    torch.testing.assert_close(one.mean, other.mean)
    torch.testing.assert_close(one.spread, other.spread)


def test_black_frames_stay_black() -> None:
    pictures = sample_pictures()
    pictures.image[:, :, :4] = 0
    after = Restyle(1.0)(pictures, torch.Generator().manual_seed(0))
    assert (after.image[:, :, :4] == 0).all()


@given(seeds, st.sampled_from([0.0, 0.2, 0.5]))
def test_a_transplanted_lesion_keeps_its_label_and_gets_other_surroundings(
    seed: int, margin: float
) -> None:
    before = sample_pictures(seed=seed)
    do = Transplant(1.0, tone="none", margin=margin)
    after = do(before, torch.Generator().manual_seed(seed))
    carried = grown(before.mask > 0, margin)
    assert torch.equal(after.mask[carried], before.mask[carried])
    where = carried[:, None].expand_as(before.image)
    torch.testing.assert_close(after.image[where], before.image[where])
    # Every surrounding, far from the lesion, is that of one picture without its own lesion.
    far = soft_edge(carried)[:, 0] == 0
    bare = paint_over(before, margin).image
    for i in range(len(far)):
        differences = (bare - after.image[i]).abs().amax(dim=1)[:, far[i]].amax(dim=1)
        assert differences.min() == 0


@given(st.integers(3, 9), st.floats(0, 1))
def test_a_margin_is_measured_in_diameters_of_the_lesion(radius: int, margin: float) -> None:
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    disc = ((y - 32) ** 2 + (x - 32) ** 2 <= radius**2)[None]
    reach = int(grown(disc, margin)[0, 32, 32:].sum()) - 1
    assert abs(reach - (radius + margin * 2 * radius)) <= 1.5
    assert not grown(torch.zeros_like(disc), margin).any()


@given(seeds, st.floats(0.3, 0.9), st.floats(0.3, 0.9))
def test_a_gain_takes_off_one_light_and_puts_on_another(seed: int, here: float, there: float):
    # One scene under two lights: what is put into the other is what the other shows.
    scene, lesion = sample_pictures(seed=seed).image, sample_pictures(seed=seed).mask > 0
    scene = scene.clamp(0.2, 1.0)
    factor = local_gain(scene * here, scene * there, lesion)
    torch.testing.assert_close(scene * here * factor, scene * there)


def test_a_dark_frame_far_away_has_no_part_in_a_gain() -> None:
    lesion = torch.zeros(1, 96, 96, dtype=torch.bool)
    lesion[:, 40:56, 40:56] = True
    image = torch.full((1, 3, 96, 96), 0.6)
    framed = image.clone()
    framed[..., :16] = 0.06  # darker than tissue, brighter than a black frame
    torch.testing.assert_close(local_gain(image, framed, lesion), torch.ones(1, 3, 1, 1))
    nowhere = torch.zeros_like(lesion)
    torch.testing.assert_close(local_gain(image, framed, nowhere), torch.ones(1, 3, 1, 1))


def test_either_tone_is_the_style_or_the_gain_a_coin_for_each_picture() -> None:
    before = sample_pictures()
    either = Transplant(1.0, tone="either").do(before, torch.Generator().manual_seed(3)).image
    tones = [
        Transplant(1.0, tone=tone).do(before, torch.Generator().manual_seed(3)).image
        for tone in ("style", "gain")
    ]
    differ = (tones[0] != tones[1]).flatten(1).any(dim=1)
    styled, lit = ((either == one).flatten(1).all(dim=1) for one in tones)
    assert (styled | lit).all()
    assert (styled & differ).any()
    assert (lit & differ).any()


def test_after_a_transplant_the_surroundings_say_nothing_of_the_class() -> None:
    # A world in which the class decides the colour of the surroundings: log 3 of confounding.
    count = 600
    classes = torch.arange(count) % 3
    image = (0.2 + 0.3 * classes)[:, None, None, None].expand(count, 3, 16, 16).clone()
    mask = torch.zeros(count, 16, 16).long()
    mask[:, 6:10, 6:10] = classes[:, None, None] + 1
    image[:, :, 6:10, 6:10] = 0.5
    after = Transplant(1.0)(Pictures(image, mask, classes), torch.Generator().manual_seed(0))
    shade = (after.image[:, 0, 0, 0] * 10).round().long()
    pasted = after.mask[:, 8, 8]
    assert mutual_info_score(pasted, (image[:, 0, 0, 0] * 10).round().long()) > 1.0
    assert mutual_info_score(pasted, shade) < 0.02


@given(seeds, st.floats(0, 1), st.floats(0, 1), st.integers(4, 9))
def test_a_painted_over_lesion_leaves_what_would_be_there_without_it(
    seed: int, down: float, across: float, radius: int
) -> None:
    # Tissue that is lit from one side, so what lies beneath the lesion is known.
    slope = torch.rand(3, 2, generator=torch.Generator().manual_seed(seed)) * 0.4
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 48), indexing="ij")
    tissue = (0.15 + slope[:, 0, None, None] * y + slope[:, 1, None, None] * x)[None]
    lesion = ((y - down) ** 2 + (x - across) ** 2 <= (radius / 48) ** 2)[None]
    image = torch.where(lesion[:, None], 1.0, tissue)
    after = paint_over(Pictures(image, lesion.long(), torch.tensor([0])))
    assert not after.mask.any()
    assert after.class_index.tolist() == [-1]
    torch.testing.assert_close(after.image, tissue)


def test_what_lies_far_from_a_painted_over_lesion_is_as_it_was() -> None:
    image = torch.rand(1, 3, 48, 48)
    mask = torch.zeros(1, 48, 48).long()
    mask[0, 16:32, 16:32] = 2  # in the middle, where every mirror shows the lesion again
    after = paint_over(Pictures(image, mask, torch.tensor([1])))
    assert (after.mask == 0).all()
    away = soft_edge(dilated(mask > 0, 1)).expand_as(image) == 0
    assert torch.equal(after.image[away], image[away])


def test_a_patch_shows_tissue_rather_than_the_black_frame() -> None:
    image = torch.full((1, 3, 48, 48), 0.5)
    image[:, :, :, :20] = 0  # half of the moves, and two of the mirrors, would bring it in
    mask = torch.zeros(1, 48, 48).long()
    mask[0, 20:28, 32:40] = 1
    after = paint_over(Pictures(image, mask, torch.tensor([0])))
    torch.testing.assert_close(after.image, image)


def test_a_lesion_that_fills_the_picture_is_not_called_normal() -> None:
    image = torch.rand(1, 3, 24, 24)
    mask = torch.zeros(1, 24, 24).long()
    mask[0, 1:-1, 1:-1] = 1
    after = paint_over(Pictures(image, mask, torch.tensor([0])))
    assert torch.equal(after.mask, mask)
    assert after.class_index.tolist() == [0]
    where = (mask > 0)[:, None].expand_as(image)
    assert torch.equal(after.image[where], image[where])


@given(seeds, st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_continued_values_lie_between_those_that_are_known(
    seed: int, height: int, width: int, share: float
) -> None:
    random = torch.Generator().manual_seed(seed)
    values = torch.rand(2, 3, height, width, generator=random)
    known = torch.rand(2, height, width, generator=random) <= share
    filled = continued(values, known)
    there = known[:, None].expand_as(values)
    assert torch.equal(filled[there], values[there])
    for one, all_of, where in zip(values, filled, known, strict=True):
        if where.any():
            low, high = one[:, where].amin(dim=1), one[:, where].amax(dim=1)
            assert (all_of.flatten(1).amin(dim=1) >= low - 1e-5).all()
            assert (all_of.flatten(1).amax(dim=1) <= high + 1e-5).all()
        else:
            assert not all_of.any()


@given(seeds)
def test_a_lesion_is_not_lit_until_it_burns_out(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    lesion = torch.zeros(1, 48, 48, dtype=torch.bool)
    lesion[:, 16:32, 16:32] = True
    image = torch.where(lesion[:, None], torch.rand(1, 3, 48, 48, generator=random), 0.03)
    factor = local_gain(image, torch.full_like(image, 0.9), lesion)
    lit = (image * factor).amax(dim=1)[lesion]
    assert lit.quantile(0.9) <= 1.0 + 1e-5
    assert (factor > 1).all()


def test_two_lesions_of_different_classes_have_no_one_class() -> None:
    image = torch.rand(2, 3, 24, 24)
    mask = torch.zeros(2, 24, 24).long()
    mask[0, 2:8, 2:8], mask[1, 1:-1, 1:-1] = 1, 2  # the second cannot be painted over
    pictures = Pictures(image, mask, torch.tensor([0, 1]))
    for seed in range(20):
        after = Transplant(1.0)(pictures, torch.Generator().manual_seed(seed))
        if (after.mask[0] == 2).any():  # the first got the second's surroundings
            assert (after.mask[0] == 1).any()
            assert after.class_index.tolist() == [-1, 1]
            return
    raise AssertionError("expected the two to be exchanged in one of 20 draws")


@given(seeds, st.floats(0.5, 2.0))
def test_a_rescaled_lesion_stays_in_place_and_its_area_follows_the_factor(
    seed: int, factor: float
) -> None:
    before = sample_pictures(count=1, size=96, seed=seed)
    after = rescaled(before, torch.tensor([factor]))

    def centre(mask: torch.Tensor) -> torch.Tensor:
        return (mask[0] > 0).nonzero().float().mean(dim=0)

    edges = (after.mask[0, [0, -1]], after.mask[0, :, [0, -1]])
    if not any(edge.any() for edge in edges):  # wholly in sight
        assert (centre(after.mask) - centre(before.mask)).abs().max() < 1
        area = (after.mask > 0).sum() / (before.mask > 0).sum()
        assert abs(float(area) / factor**2 - 1) < 0.1


def test_at_factor_one_nothing_moves() -> None:
    before = sample_pictures()
    after = rescaled(before, torch.ones(6))
    assert torch.equal(after.mask, before.mask)
    torch.testing.assert_close(after.image, before.image)


def test_healthy_pictures_stay_healthy_alone() -> None:
    pictures = sample_pictures()
    healthy = Pictures(
        pictures.image, torch.zeros_like(pictures.mask), pictures.class_index * 0 - 1
    )
    after = Transplant(1.0)(healthy, torch.Generator().manual_seed(0))
    assert (after.mask == 0).all()
    assert (after.class_index == -1).all()


def test_the_prior_says_how_often_each_is_drawn() -> None:
    dark_only = Render(["brighten", "darken"], 1.0, prior=[0, 1])
    before = sample_pictures()
    after = dark_only(before, torch.Generator().manual_seed(0))
    assert (after.image.mean((1, 2, 3)) < before.image.mean((1, 2, 3))).all()


def test_what_the_endoscopy_pack_names_exists_and_is_what_its_words_suggest() -> None:
    for one in PromptPack.load("endoscopy").confounders:
        assert one.render in OPERATIONS
        assert suggested(one.text) == one.render


def test_a_narrow_window_is_not_a_narrow_band() -> None:
    assert suggested("a narrow window and harsh contrast") == "window"
    assert suggested("narrow-band light") == suggested("narrow band imaging") == "narrow_band"


def test_a_narrow_window_spreads_what_lies_about_its_level() -> None:
    image = torch.linspace(0.3, 0.7, 32).expand(3, 32, 32)
    drawn, _ = OPERATIONS["window"](image, torch.zeros(32, 32), 1.0, torch.Generator())
    assert drawn.min() == 0
    assert drawn.max() == 1
    assert (drawn.diff(dim=-1) >= 0).all()  # brighter stays brighter


@pytest.mark.parametrize(
    "text", ["pleural effusion", "a narrow lumen", "an old scanner", "linear marks", "enclosed air"]
)
def test_words_that_suggest_nothing_are_not_guessed(text: str) -> None:
    assert suggested(text) is None


def test_refusals_are_one_sentence() -> None:
    with pytest.raises(UnknownNameError, match="did you mean darken"):
        Render(["darkn"])
    with pytest.raises(ConfigurationError, match="weight each"):
        Render(["darken"], prior=[1, 2])
    with pytest.raises(ConfigurationError, match="lie in"):
        Restyle(1.5)
    with pytest.raises(ConfigurationError, match="zoom must be 1 or more"):
        Transplant(zoom=0.5)
    with pytest.raises(ConfigurationError, match="margin must be 0 or more"):
        Transplant(margin=-0.1)
    pictures = sample_pictures()
    with pytest.raises(ShapeError, match="expected image"):
        Restyle(1.0)(Pictures(pictures.image[:, :1], pictures.mask, pictures.class_index), None)


def test_they_are_found_by_name() -> None:
    assert {"render", "restyle", "transplant"} <= set(doings)
