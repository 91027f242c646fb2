"""Adjusting while training: off is plain training, on acts, and a resumed run agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from deconfound import CausalSegmenter
from deconfound.data import JointAugment
from deconfound.data.memory import MemoryDataset
from deconfound.errors import ShapeError
from deconfound.estimators.doing import Doing, Pictures, Render, Restyle, Transplant
from deconfound.packs import PromptPack
from deconfound.settings import WrongValueError
from deconfound.testing.doing import sample_pictures
from deconfound.training.adjusting import build_adjustment, drawable, read
from deconfound.training.adjustment import Adjustment, AdjustmentSettings
from deconfound.training.engine import fit
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings

from .standin import Disks, SmallCriterion, SmallSegmenter


class Kill(Exception):
    """Raised in the middle of a run."""


class Mortal(Doing):
    """Changes nothing, and dies at a given call."""

    def __init__(self, calls: int) -> None:
        super().__init__(1.0)
        self.calls = calls

    def do(self, pictures: Pictures, generator: torch.Generator) -> Pictures:
        self.calls -= 1
        if self.calls == 0:
            raise Kill
        return pictures


def weights_after(
    path: Path, settings: TrainingSettings, adjustment: Adjustment | None, **options: Any
) -> dict[str, Tensor]:
    run = RunFolder.create(path, {}, resume=(path / "config.json").exists())
    model = SmallSegmenter()
    fit(
        model,
        options.get("criterion", SmallCriterion()),
        Disks(length=12),
        Disks(length=5, seed=1),
        settings,
        run,
        adjustment=adjustment,
    )
    return model.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_no_adjustment_is_plain_training_bit_for_bit(tmp_path, settings) -> None:
    plain = weights_after(tmp_path / "a", settings, None)
    assert same(plain, weights_after(tmp_path / "b", settings, Adjustment()))


@pytest.mark.parametrize(
    "adjustment",
    [
        Adjustment((Restyle(1.0),)),
        Adjustment((Transplant(1.0), Render(["darken"], 0.5))),
        Adjustment(weights=torch.linspace(0.1, 1.9, 12)),
    ],
    ids=["restyle", "transplant and render", "sampler"],
)
def test_each_part_acts_and_is_repeatable(tmp_path, settings, adjustment) -> None:
    plain = weights_after(tmp_path / "plain", settings, None)
    one = weights_after(tmp_path / "one", settings, adjustment)
    assert not same(plain, one)
    assert same(one, weights_after(tmp_path / "two", settings, adjustment))


def test_a_killed_run_goes_on_with_the_same_pictures(tmp_path, settings) -> None:
    whole = weights_after(tmp_path / "whole", settings, Adjustment((Restyle(0.7), Mortal(10**6))))
    with pytest.raises(Kill):
        weights_after(tmp_path / "cut", settings, Adjustment((Restyle(0.7), Mortal(5))))
    again = weights_after(tmp_path / "cut", settings, Adjustment((Restyle(0.7), Mortal(10**6))))
    assert same(whole, again)


def test_weights_reach_the_criterion_row_by_row(tmp_path, settings) -> None:
    seen: list[Tensor] = []

    class Weighed(SmallCriterion):
        def forward(self, explanation, mask, class_index, *, causal, weight):  # type: ignore[override]
            seen.append(weight)
            return super().forward(explanation, mask, class_index, causal=causal)

    weights = torch.arange(12.0)
    adjustment = Adjustment(weights=weights, weigh="loss")
    weights_after(tmp_path / "run", settings, adjustment, criterion=Weighed())
    per_epoch = torch.cat(seen)[:12]
    assert sorted(per_epoch.tolist()) == weights.tolist()


def test_one_weight_for_each_image_or_one_sentence(tmp_path, settings) -> None:
    with pytest.raises(ShapeError, match="one weight for each of 12 training images"):
        weights_after(tmp_path / "run", settings, Adjustment(weights=torch.ones(3)))


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(WrongValueError, match="transplant: expected less than or equal to 1"):
        AdjustmentSettings(transplant=1.5)
    with pytest.raises(WrongValueError, match="transplnt: extra"):
        AdjustmentSettings(transplnt=0.5)  # type: ignore[call-arg]


def test_what_is_built_is_what_was_asked_for() -> None:
    pack = PromptPack.load("endoscopy")
    settings = AdjustmentSettings.off().model_copy(update={"transplant": 0.3, "render": 0.2})
    built = build_adjustment(settings, None, Disks(), pack)
    assert [type(step) for step in built.doing] == [Transplant, Render]
    assert [step.probability for step in built.doing] == [0.3, 0.2]
    assert built.weights is None
    assert build_adjustment(AdjustmentSettings.off(), None, Disks(), pack) == Adjustment()


def test_mediators_are_never_set_and_guesses_are_told() -> None:
    pack = PromptPack.load("endoscopy").to_mapping()
    operations, notes = drawable(PromptPack.from_mapping(pack))
    assert {"film", "stain"}.isdisjoint(operations)  # mucus and blood
    assert notes == ()
    for group in pack["groups"]:
        for one in group["confounders"]:
            one["render"] = None
            one["role"] = "acquisition"
    pack["groups"][0]["confounders"][0]["text"] = "an old scope"
    operations, notes = drawable(PromptPack.from_mapping(pack))
    assert {"film", "stain"} <= set(operations)
    assert "dark as darken" in notes[0]
    assert "nothing draws blur" in notes[1]


def test_a_pack_can_say_that_nothing_draws_a_confounder() -> None:
    pack = PromptPack.load("endoscopy").to_mapping()
    pack["groups"][0]["confounders"][0]["render"] = "nothing"  # its words suggest blur
    operations, notes = drawable(PromptPack.from_mapping(pack))
    assert "blur" not in operations
    assert notes == ("nothing draws blur: left to transplanting and restyling",)


def test_nothing_is_said_of_drawing_where_nothing_is_drawn() -> None:
    pack = PromptPack.load("endoscopy").to_mapping()
    pack["groups"][0]["confounders"][0]["render"] = None
    settings = AdjustmentSettings.off().model_copy(update={"transplant": 0.5})
    built = PromptPack.from_mapping(pack)
    assert build_adjustment(settings, None, Disks(), built).notes == ()
    drawing = settings.model_copy(update={"render": 0.1})
    assert "drawn as" in build_adjustment(drawing, None, Disks(), built).notes[0]


def test_weights_that_do_nothing_say_so() -> None:
    count = 12
    pictures = torch.randint(0, 255, (1, 3, 32, 32), dtype=torch.uint8).expand(count, -1, -1, -1)
    masks = torch.zeros(count, 32, 32, dtype=torch.uint8)
    alike = MemoryDataset(pictures, masks, torch.arange(count) % 5, torch.zeros(count).long())
    model = CausalSegmenter("Unet", vlm="mini")
    settings = AdjustmentSettings(transplant=0, restyle=0, weigh_by="words")
    notes = build_adjustment(settings, model, alike, model.pack).notes
    assert any("does next to nothing" in note for note in notes)


def test_what_is_set_is_set_in_the_batch() -> None:
    pictures = sample_pictures()
    batch = {"image": pictures.image, "mask": pictures.mask, "class_index": pictures.class_index}
    doing = (Transplant(1.0), Render(["retreat"], 1.0))  # what is farther off has a smaller mask
    changed = Adjustment(doing).apply({**batch, "index": 7}, range(6), seed=0)
    assert changed["index"] == 7
    assert not torch.equal(changed["image"], batch["image"])
    assert not torch.equal(changed["mask"], batch["mask"])


def six_images(augmented: bool) -> MemoryDataset:
    g = torch.Generator().manual_seed(0)
    return MemoryDataset(
        torch.randint(0, 256, (6, 3, 32, 32), generator=g).to(torch.uint8),
        torch.ones(6, 32, 32, dtype=torch.uint8),
        torch.tensor([0, 0, 0, 1, 1, 1]),
        torch.zeros(6).long(),
        JointAugment(0) if augmented else None,
    )


def test_images_are_read_as_they_were_found() -> None:
    """Augmentation draws a light of its own: what is read would be that, in part."""
    model = CausalSegmenter("Linknet", vlm="mini", selector="all", intervention="identity")
    plain, _ = read(model, six_images(augmented=False))
    for epoch in (0, 7):  # as another training left them: a resumed run reads the same
        images = six_images(augmented=True)
        images.set_epoch(epoch)
        assert torch.equal(read(model, images)[0], plain)


def test_images_that_cannot_be_had_so_are_read_as_the_first_epoch_shows_them() -> None:
    class Own(Dataset):
        """Somebody's data set, which has epochs and no other view."""

        def __init__(self) -> None:
            self.inner = six_images(augmented=True)
            self.set_epoch = self.inner.set_epoch

        def __len__(self) -> int:
            return len(self.inner)

        def __getitem__(self, index):
            return self.inner[index]

    model = CausalSegmenter("Linknet", vlm="mini", selector="all", intervention="identity")
    fresh, late = Own(), Own()
    late.set_epoch(7)
    assert torch.equal(read(model, fresh)[0], read(model, late)[0])
