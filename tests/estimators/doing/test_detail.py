"""Noise and sharpness of a transplanted lesion: those of the place it is put in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2.functional import gaussian_blur

from deconfound.estimators.doing import Pictures, Transplant
from deconfound.estimators.doing.detail import with_detail_of
from deconfound.testing.doing import DoingContract, sample_pictures

seeds = st.integers(0, 10_000)


class TestTransplantWithDetail(DoingContract):
    def make(self, probability):
        return Transplant(probability, detail=True)


def smooth_and_noisy(seed: int, noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One picture, the same with noise all over, (1, 3, 96, 96), and a place in it, (1, 96, 96)."""
    down, across = torch.meshgrid(*[torch.linspace(0, 1, 96)] * 2, indexing="ij")
    smooth = (0.4 + 0.2 * down * across).expand(1, 3, -1, -1).clone()
    noisy = (smooth + noise * torch.randn(smooth.shape, generator=_seeded(seed))).clamp(0, 1)
    place = torch.zeros(1, 96, 96, dtype=torch.bool)
    place[:, 30:66, 30:66] = True
    return smooth, noisy, place


def grain(image: torch.Tensor, where: torch.Tensor) -> float:
    """Return the deviation of a picture from its own blur there."""
    residue = image - gaussian_blur(image, [9, 9], [2.0, 2.0])
    return float(residue[where[:, None].expand_as(residue)].std())


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(seeds, st.sampled_from([0.05, 0.1, 0.2]))
def test_detail_gives_a_smooth_lesion_the_grain_of_a_noisy_place(seed: int, noise: float) -> None:
    smooth, noisy, lesion = smooth_and_noisy(seed, noise)
    into = with_detail_of(smooth, noisy, lesion)
    assert grain(into, lesion) == pytest.approx(grain(noisy, lesion), rel=0.1)
    outof = with_detail_of(noisy, smooth, lesion)
    assert grain(outof, lesion) < 0.3 * grain(noisy, lesion)


@given(seeds)
def test_detail_leaves_alone_what_is_as_sharp_as_its_new_place(seed: int) -> None:
    image = sample_pictures(seed=seed).image
    nothing = torch.zeros_like(image[:, 0], dtype=torch.bool)
    torch.testing.assert_close(with_detail_of(image, image, nothing), image)
    everything = ~nothing
    torch.testing.assert_close(with_detail_of(image, image.flip(0), everything), image)


def test_a_few_hairs_across_the_new_place_are_no_detail_of_it() -> None:
    smooth, noisy, lesion = smooth_and_noisy(0, 0.1)
    hairy = noisy.clone()
    hairy[..., 5::16] = 0.1
    plain, beside = (with_detail_of(smooth, place, lesion) for place in (noisy, hairy))
    free = lesion.clone()
    for column in range(5, free.shape[-1], 16):  # the hairs and what their blur reaches
        free[..., max(0, column - 6) : column + 7] = False
    assert grain(beside, free) == pytest.approx(grain(plain, free), rel=0.2)


def test_a_transplant_sets_the_detail_when_asked() -> None:
    smooth, noisy, lesion = smooth_and_noisy(1, 0.1)
    both = Pictures(torch.cat([smooth, noisy]), torch.cat([lesion, lesion]).long(), torch.arange(2))
    swapped = next(s for s in range(9) if torch.randperm(2, generator=_seeded(s))[0] == 1)
    for detail, low, high in ((False, 0.0, 0.3), (True, 0.7, 1.3)):
        do = Transplant(1.0, tone="none", detail=detail)
        after = do.do(both, _seeded(swapped)).image
        assert low <= grain(after[:1], lesion) / grain(noisy, lesion) <= high
