"""Outcomes beside other images: every one of them once, and nothing to do with the pictures."""

from __future__ import annotations

import torch

from deconfound.data.dealt import DealtOutcomes
from deconfound.data.memory import MemoryDataset
from deconfound.data.patients import patients


def images(augment=None) -> MemoryDataset:
    count = 8
    pictures = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    masks = torch.arange(count, dtype=torch.uint8)[:, None, None].expand(-1, 4, 4)
    return MemoryDataset(pictures, masks, torch.arange(count), 10 + torch.arange(count), augment)


def test_masks_and_classes_move_together_and_the_rest_stays() -> None:
    dealt = DealtOutcomes(images(), seed=1)
    items = [dealt[i] for i in range(len(dealt))]
    given = [int(item["mask"][0, 0]) for item in items]
    assert sorted(given) == list(range(8))
    assert given != list(range(8))
    assert [item["class_index"] for item in items] == given
    assert [item["site_index"] - 10 for item in items] == list(range(8))
    assert [round(255 * float(item["image"][0, 0, 0])) for item in items] == list(range(8))


def test_a_seed_is_a_deal() -> None:
    orders = [DealtOutcomes(images(), seed).order for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_epochs_and_further_draws_reach_the_images() -> None:
    seen = []

    def note(image, mask, epoch, index):
        seen.append((epoch, index))
        return image, mask

    dealt = DealtOutcomes(images(note), seed=1)
    dealt.set_epoch(3)
    dealt.draw(2, again=1)
    assert seen == [(3, 2 + 8), (3, dealt.order[2] + 8)]


def test_as_found_it_is_the_same_deal_without_the_augmentation() -> None:
    bright = DealtOutcomes(images(lambda image, mask, *_: (image + 100, mask)), seed=1)
    found, plain = bright.as_found(), DealtOutcomes(images(), seed=1)
    for row in range(8):
        assert torch.equal(found[row]["image"], plain[row]["image"])
        assert found[row]["class_index"] == plain[row]["class_index"]
    assert not torch.equal(bright[0]["image"], plain[0]["image"])


def test_plain_items_without_a_class_will_do() -> None:
    plain = [{"image": torch.zeros(3, 2, 2), "mask": torch.full((2, 2), i)} for i in range(3)]
    dealt = DealtOutcomes(plain, seed=0)
    assert [int(dealt[i]["mask"][0, 0]) for i in range(3)] == dealt.order
    assert [int(dealt.as_found()[i]["mask"][0, 0]) for i in range(3)] == dealt.order
    dealt.set_epoch(1)


def test_pictures_stay_those_of_their_patients() -> None:
    whose = images()
    whose.groups = tuple("aabbccdd")
    assert patients(DealtOutcomes(whose, seed=1)) == patients(whose)
    assert patients(DealtOutcomes(images(), seed=1)) is None
