"""The rendered site as a data set, and the contact sheet's command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from deconfound.errors import ConfigurationError
from deconfound.simulation import SITES, RenderedSite, render
from deconfound.simulation.__main__ import main


def test_items_hold_the_contract() -> None:
    data = RenderedSite(SITES[2], size=48, length=10, healthy=0.3, site_index=2)
    batch = next(iter(DataLoader(data, batch_size=10)))
    assert batch["image"].shape == (10, 3, 48, 48)
    assert batch["mask"].shape == (10, 48, 48)
    assert batch["mask"].dtype == torch.int64
    assert batch["strengths"].shape == (10, 12)
    assert batch["site_index"].tolist() == [2] * 10
    assert batch["index"].tolist() == list(range(10))
    largest = batch["mask"].flatten(1).amax(1)
    assert torch.equal(largest, batch["class_index"] + 1)


def test_rendering_ahead_or_on_demand_is_the_same() -> None:
    ahead = RenderedSite(SITES[4], size=48, length=9, seed=2)
    lazy = RenderedSite(SITES[4], size=48, length=9, seed=2, pre_render=False)
    for index in (0, 8, -1):
        one, other = ahead[index], lazy[index]
        torch.testing.assert_close(one["image"], other["image"], atol=2e-5, rtol=0)
        assert one["index"] == other["index"]
        assert torch.equal(one["strengths"], other["strengths"])
    with pytest.raises(IndexError, match="has 9 pictures, no number 9"):
        ahead[9]


def test_the_same_scenes_under_other_strengths_are_at_hand() -> None:
    data = RenderedSite(SITES[1], size=48, length=4)
    rows = torch.arange(4)
    images, _ = render(data.scenes(rows), data.strengths[rows], 48)
    torch.testing.assert_close(images[3], data[3]["image"], atol=2e-5, rtol=0)
    without, _ = render(data.scenes(rows), torch.zeros(4, 12), 48)
    assert (without - images).abs().mean() > 0.01


def test_groups_are_patients_of_four() -> None:
    groups = RenderedSite(SITES[0], size=32, length=10).groups
    assert len(groups) == 10
    assert [groups.count(name) for name in dict.fromkeys(groups)] == [4, 4, 2]


def test_a_worker_process_can_render() -> None:
    data = RenderedSite(SITES[0], size=32, length=4, pre_render=False)
    loaded = next(iter(DataLoader(data, batch_size=4, num_workers=1)))
    torch.testing.assert_close(loaded["image"][1], data[1]["image"], atol=2e-5, rtol=0)


def test_an_empty_data_set_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="length must be 1 or more, found 0"):
        RenderedSite(SITES[0], length=0)


def test_the_contact_sheet_is_written(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["--out", str(out), "--size", "32"]) == 0
    with Image.open(out) as page:
        assert page.height == 18 * 32
        assert page.width > 10 * 32


def test_a_sheet_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "no" / "sheet.png"), "--size", "32"]) == 2
    assert main(["--out", str(tmp_path / "sheet.png"), "--size", "8"]) == 2
    assert main(["--out", str(tmp_path / "sheet.png"), "--colours", "1"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert "found 8" in lines[1]
    assert "--colours must be" in lines[2]
