"""Erasure at the encoder's levels: that of all locations as rows, however they are batched."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.encoders.level_interventions import LevelErasure, level_interventions
from deconfound.errors import DataError, ShapeError
from deconfound.interventions.leace import LeaceEraser
from deconfound.testing.strategies import generator, seeds

CHANNELS = (3, 5, 4)


def pictures(seed: int, count: int = 12) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Maps whose channels shift with a soft confounder of three."""
    g = generator(seed)
    z = (3 * torch.randn(count, 3, generator=g).double()).softmax(dim=-1)
    maps = [torch.randn(count, 3, 8, 8, generator=g).double()]
    for level, c in ((1, 5), (2, 4)):
        shift = z @ torch.randn(3, c, generator=g).double()
        noise = torch.randn(count, c, 8 >> level, 8 >> level, generator=g).double()
        maps.append(2 + shift[..., None, None] + noise)
    return maps, z


def rows(maps: torch.Tensor) -> torch.Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@given(seed=seeds, cut=st.integers(1, 11))
def test_it_is_leace_over_all_locations_however_batched(seed, cut) -> None:
    maps, z = pictures(seed)
    parts = [([x[s] for x in maps], z[s]) for s in (slice(cut), slice(cut, None))]
    erased = LevelErasure(CHANNELS).double().fit(parts)(maps)
    assert erased[0] is maps[0]
    for level in (1, 2):
        x, each = rows(maps[level]), z.repeat_interleave((8 >> level) ** 2, dim=0)
        torch.testing.assert_close(rows(erased[level]), LeaceEraser.fit(x, each)(x))
        left = rows(erased[level])
        crossed = (left - left.mean(dim=0)).T @ (each - each.mean(dim=0)) / len(x)
        assert crossed.abs().max() < 1e-6


@given(seed=seeds)
def test_twice_is_once_and_unfitted_is_the_identity(seed) -> None:
    maps, z = pictures(seed)
    layer = LevelErasure(CHANNELS, levels=[-1]).double()
    assert all(torch.equal(a, b) for a, b in zip(layer(maps), maps, strict=True))
    once = layer.fit([(maps, z)])(maps)
    assert once[1] is maps[1]
    assert (once[2] - maps[2]).abs().max() > 1e-3
    torch.testing.assert_close(layer(once)[2], once[2])


def test_it_is_built_again_from_json_and_its_erasers() -> None:
    maps, z = pictures(0)
    layer = LevelErasure(CHANNELS, levels=[2]).double().fit([(maps, z)])
    spec = json.loads(json.dumps({"name": level_interventions.name_of(layer), **layer.options()}))
    again = level_interventions.build(spec).double()
    again.load_state_dict(layer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(layer(maps), again(maps), strict=True))


def test_every_mistake_is_one_sentence() -> None:
    maps, z = pictures(0)
    with pytest.raises(ShapeError, match=r"expected posteriors \(12, M\), found \(11, 3\)"):
        LevelErasure(CHANNELS).fit([(maps, z[1:])])
    with pytest.raises(ShapeError, match="level erasure: expected level 2 with 4 channels"):
        LevelErasure(CHANNELS)(maps[:2])
    with pytest.raises(DataError, match="expected pictures to fit on, found none"):
        LevelErasure(CHANNELS).fit([])
