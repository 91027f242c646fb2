"""The renderer: deterministic, exact where it says so; every confounder does what it is called."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.simulation import CLASSES, CONFOUNDERS, SITES, Scenes, render
from deconfound.simulation.confounders import OPERATIONS

GEOMETRIC = ("near_view", "far_view")


def only(name: str, strength: float, count: int = 5) -> Tensor:
    strengths = torch.zeros(count, len(CONFOUNDERS))
    strengths[:, CONFOUNDERS.index(name)] = strength
    return strengths


def scenes(site: int = 2, seed: int = 0, count: int = 5) -> Scenes:
    return Scenes.sample(seed, range(count), SITES[site], torch.arange(count) % len(CLASSES))


def plain(site: int = 2, size: int = 64) -> tuple[Tensor, Tensor]:
    return render(scenes(site), torch.zeros(5, 12), size)


def luminance(images: Tensor) -> Tensor:
    return (images * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)


def sharpness(images: Tensor) -> Tensor:
    grey = luminance(images)[:, 12:-12, 12:-12]
    across = grey[:, 1:-1, 2:] + grey[:, 1:-1, :-2] + grey[:, 2:, 1:-1] + grey[:, :-2, 1:-1]
    return (across - 4 * grey[:, 1:-1, 1:-1]).var(dim=(1, 2))


def redness(images: Tensor) -> Tensor:
    middle = images[..., 12:-12, 12:-12].mean(dim=(2, 3))
    return middle[:, 0] / middle.sum(1)


def blueness(images: Tensor) -> Tensor:
    middle = images[..., 12:-12, 12:-12].mean(dim=(2, 3))
    return middle[:, 2] / middle.sum(1)


def imbalance(images: Tensor) -> Tensor:
    grey = luminance(images)
    sides = torch.stack([part.mean(dim=(1, 2)) for part in (*grey.chunk(2, 1), *grey.chunk(2, 2))])
    return torch.maximum((sides[0] - sides[1]).abs(), (sides[2] - sides[3]).abs())


def saturated(images: Tensor) -> Tensor:
    return (images.amin(1) > 0.97).float().mean(dim=(1, 2))


def combing(images: Tensor) -> Tensor:
    grey = luminance(images)
    return (grey[:, ::2].mean(dim=(1, 2)) - grey[:, 1::2].mean(dim=(1, 2))).abs()


@given(seed=st.integers(0, 2**40), site=st.integers(0, 4), data=st.data())
def test_any_combination_gives_a_picture_and_its_mask(
    seed: int, site: int, data: st.DataObject
) -> None:
    strength = st.floats(0, 1, width=32)
    strengths = torch.tensor([data.draw(st.lists(strength, min_size=12, max_size=12))])
    index = data.draw(st.integers(-1, 4))
    images, masks = render(
        Scenes.sample(seed, [seed % 97], SITES[site], torch.tensor([index])), strengths, 48
    )
    assert images.shape == (1, 3, 48, 48)
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert masks.dtype == torch.int64
    assert set(masks.unique().tolist()) <= {0, index + 1}


@given(
    seed=st.integers(0, 2**40),
    site=st.integers(0, 4),
    index=st.integers(0, 4),
    near=st.floats(0, 1),
    far=st.floats(0, 1),
)
def test_a_lesion_is_always_in_sight_and_never_everything(
    seed: int, site: int, index: int, near: float, far: float
) -> None:
    scene = Scenes.sample(seed, [0], SITES[site], torch.tensor([index]))
    strengths = only("near_view", near, 1) + only("far_view", far, 1)
    share = (render(scene, strengths, 96)[1] == index + 1).float().mean().item()
    assert 0.001 < share < 0.85


@pytest.mark.parametrize("index", range(5))
def test_lesions_take_their_usual_share_of_the_frame(index: int) -> None:
    shares = []
    for site in SITES:
        scene = Scenes.sample(7, range(16), site, torch.full((16,), index))
        shares.append((render(scene, torch.zeros(16, 12), 64)[1] > 0).float().mean(dim=(1, 2)))
    everyone = torch.cat(shares)
    assert 0.03 < everyone.median() < 0.22
    assert everyone.min() > 0.01


def test_healthy_mucosa_has_an_empty_mask() -> None:
    scene = Scenes.sample(0, range(4), SITES[0], torch.full((4,), -1))
    assert render(scene, torch.ones(4, 12), 48)[1].sum() == 0


@pytest.mark.parametrize("site", range(5))
def test_a_picture_is_the_same_in_any_batch(site: int) -> None:
    torch.manual_seed(1)
    classes = torch.arange(20) % 6 - 1
    strengths = torch.rand(20, 12) * (torch.rand(20, 12) < 0.3)
    images, masks = render(Scenes.sample(5, range(20), SITES[site], classes), strengths, 48)
    for row in (0, 7, 8, 19):
        alone = Scenes.sample(5, [row], SITES[site], classes[row : row + 1])
        image, mask = render(alone, strengths[row : row + 1], 48)
        torch.testing.assert_close(image[0], images[row], atol=2e-5, rtol=0)
        assert (mask[0] != masks[row]).float().mean() <= 1e-3
    again, same = render(Scenes.sample(5, range(20), SITES[site], classes), strengths, 48)
    assert torch.equal(again, images)
    assert torch.equal(same, masks)


def test_seed_index_and_site_each_change_the_picture() -> None:
    def picture(seed: int, index: int, site: int) -> Tensor:
        scene = Scenes.sample(seed, [index], SITES[site], torch.tensor([0]))
        return render(scene, torch.zeros(1, 12), 48)[0]

    first = picture(0, 0, 2)
    for other in (picture(1, 0, 2), picture(0, 1, 2), picture(0, 0, 3)):
        assert (first - other).abs().mean() > 0.02


def test_pictures_of_one_patient_share_anatomy() -> None:
    numbers = Scenes.sample(0, range(8), SITES[0], torch.zeros(8)).numbers[:, :3]
    assert torch.equal(numbers[0].expand(4, 3), numbers[:4])
    assert not torch.equal(numbers[3], numbers[4])


def test_a_larger_picture_shows_the_same_scene() -> None:
    small, large = plain(size=64)[0], plain(size=192)[0]
    reduced = torch.nn.functional.avg_pool2d(large, 3)
    assert (small - reduced).abs().mean() < 0.03


@pytest.mark.parametrize("name", [n for n in CONFOUNDERS if n not in GEOMETRIC])
def test_photometric_confounders_leave_masks_exactly_alone(name: str) -> None:
    _, before = plain()
    _, after = render(scenes(), only(name, 1), 64)
    assert torch.equal(before, after)


@pytest.mark.parametrize("site", range(5))
@pytest.mark.parametrize("name", CONFOUNDERS)
def test_every_confounder_shows_and_the_more_the_stronger(name: str, site: int) -> None:
    before = plain(site)[0]
    change = [
        (render(scenes(site), only(name, strength), 64)[0] - before).abs().mean().item()
        for strength in (0.4, 1.0)
    ]
    assert change[0] > 0.008
    # Once moved by its own width, a picture differs no more; there, areas tell (below).
    assert change[1] > (1.0 if name in GEOMETRIC else 1.08) * change[0]


@pytest.mark.parametrize("name", CONFOUNDERS)
def test_a_confounder_touches_only_the_pictures_that_have_it(name: str) -> None:
    """Strength 0 beside strength 1 in a batch is the picture without it."""
    strengths = only(name, 1)
    strengths[1:] = 0
    images, masks = render(scenes(), strengths, 64)
    before, truth = plain()
    torch.testing.assert_close(images[1:], before[1:], atol=2e-5, rtol=0)
    assert torch.equal(masks[1:], truth[1:])


STATISTICS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "blur": (sharpness, -1),
    "artifacts": (combing, +1),
    "bright": (lambda images: luminance(images).mean(dim=(1, 2)), +1),
    "dark": (lambda images: luminance(images).mean(dim=(1, 2)), -1),
    "uneven_lighting": (imbalance, +1),
    "nbi": (redness, -1),
    "white_light": (blueness, +1),
    "mucus": (redness, -1),
    "blood": (redness, +1),
    "reflection": (saturated, +1),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_each_confounder_moves_its_own_statistic(name: str) -> None:
    statistic, sign = STATISTICS[name]
    moved = []
    for site in range(5):
        before = statistic(plain(site)[0]).mean()
        after = statistic(render(scenes(site), only(name, 1), 64)[0]).mean()
        moved.append(sign * (after - before).item())
    assert min(moved) > 0, moved


@pytest.mark.parametrize("site", range(5))
def test_near_view_enlarges_and_far_view_shrinks_the_lesion(site: int) -> None:
    def area(strengths: Tensor) -> Tensor:
        return (render(scenes(site), strengths, 96)[1] > 0).float().sum(dim=(1, 2))

    plain_area = area(torch.zeros(5, 12))
    near, far = area(only("near_view", 0.4)), area(only("far_view", 0.4))
    assert (near > 1.15 * plain_area).all()
    assert (far < 0.75 * plain_area).all()
    assert (area(only("near_view", 1)) > near).all()
    assert (area(only("far_view", 1)) < 0.75 * far).all()


def test_every_confounder_is_either_geometric_or_an_operation() -> None:
    assert sorted([*OPERATIONS, *GEOMETRIC]) == sorted(CONFOUNDERS)


def test_an_empty_batch_gives_empty_pictures() -> None:
    images, masks = render(scenes(count=0), torch.zeros(0, 12), 32)
    assert images.shape == (0, 3, 32, 32)
    assert masks.shape == (0, 32, 32)


@pytest.mark.parametrize(
    ("strengths", "size", "error", "words"),
    [
        (torch.zeros(5, 11), 64, ShapeError, r"must be \(5, 12\).*found \(5, 11\)"),
        (torch.full((5, 12), 1.5), 64, ConfigurationError, r"between 0 .* and 1 .*1\.5"),
        (torch.full((5, 12), float("nan")), 64, ConfigurationError, "found nan"),
        (torch.zeros(5, 12), 8, ConfigurationError, "16 pixels or more, found 8"),
    ],
)
def test_bad_input_is_named(
    strengths: Tensor, size: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        render(scenes(), strengths, size)


def test_bad_scenes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\), one class for each index, found \(3,\)"):
        Scenes.sample(0, [0, 1], SITES[0], torch.zeros(3))
    with pytest.raises(ConfigurationError, match=r"-1 \(healthy\) to 4, found 5 to 5"):
        Scenes.sample(0, [0], SITES[0], torch.tensor([5]))
    with pytest.raises(ConfigurationError, match="0 or more, found -1"):
        Scenes.sample(-1, [0], SITES[0], torch.tensor([0]))
