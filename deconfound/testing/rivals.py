"""What every rival promises: it fits the harness, it can be stopped and saved, and it learns."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.data import default_collate

from deconfound import vlm as vlms
from deconfound.losses import CausalLoss
from deconfound.packs import PromptPack
from deconfound.rivals import TRIALS, Plain, Rival, rivals
from deconfound.segmenter import CausalSegmenter
from deconfound.simulation import SITES, RenderedSite
from deconfound.training.checkpoint import load_state, save_state
from deconfound.training.objective import Objective, adamw
from deconfound.training.settings import TrainingSettings
from deconfound.vlm import VisionLanguageModel

DECODER = {
    "name": "FPN",
    "decoder_pyramid_channels": 16,
    "decoder_segmentation_channels": 32,
}
TRAINED_SITES = 2
"""Sites that the pictures are of; the held-out one has the next number."""


class RivalContract:
    """Subclass and define ``make``; every test of this class then runs on your rival.

    ::

        class TestMine(RivalContract):
            def make(self):
                return Mine()

    The pictures are rendered, the vision-language model is the bundled mini, and the loss is called
    as training calls it, by :class:`~deconfound.training.objective.Objective`.

    Attributes:
        steps: of AdamW, within which it learns sixteen pictures.
        lr: their learning rate.
        gain: by how much the Dice on them rises.
    """

    steps: ClassVar[int] = 15
    lr: ClassVar[float] = 3e-3
    gain: ClassVar[float] = 0.3

    def make(self) -> Rival:
        """Build the rival under test."""
        raise NotImplementedError("define make(self) -> Rival in your test class")

    def objective(self, seed: int = 0) -> Objective:
        """Build model and criterion for binary masks."""
        return build_objective(self.make(), seed)

    def test_it_says_what_it_is(self) -> None:
        """Title, source and what was adapted can stand in a table, each on one line."""
        rival = self.make()
        assert rivals[rivals.name_of(rival)] is type(rival)
        for said in (rival.title, rival.source, rival.adapted):
            assert said.strip() == said
            assert said
            assert "\n" not in said
        assert len(rival.source.split()) > 1, "say where it was published"
        assert len(rival.adapted.split()) > 1, "say what was changed and left out"

    def test_its_budget_is_that_of_all(self) -> None:
        """There are TRIALS different settings; each can be written down and built."""
        rival = self.make()
        assert len(rival.grid) == TRIALS
        assert len({json.dumps(setting, sort_keys=True) for setting in rival.grid}) == TRIALS
        for setting in rival.grid:
            options = json.loads(json.dumps(setting))
            assert options.pop("lr_factor", 1.0) > 0
            built = rivals.build({"name": rivals.name_of(rival), **options})
            assert type(built) is type(rival)

    def test_logits_have_the_shape_of_masks(self) -> None:
        """One channel where binary, one for each class and the background otherwise; any size."""
        for classes in (1, len(mini()[1].class_names) + 1):
            model, images = (
                build_model(self.make(), classes=classes).eval(),
                torch.rand(2, 3, 64, 72),
            )
            logits = model(model.normalize(images))
            assert logits.shape == (2, classes, 64, 72)
            assert torch.isfinite(logits).all()

    def test_the_gradient_reaches_what_is_trained(self) -> None:
        """All that it adds, to model or criterion, and all that plain training reaches."""
        objective = self.objective().train()
        terms = objective(**batch())
        assert torch.isfinite(terms["loss"])
        assert torch.isfinite(terms["seg"])
        terms["loss"].backward()
        assert unreached(objective) <= unreached_by_plain()
        gradients = [p.grad for p in objective.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)

    def test_any_site_may_be_asked(self) -> None:
        """A batch of one site, the held-out one included, has a loss; training or not."""
        for training in (True, False):
            objective = self.objective().train(training)
            for site in range(TRAINED_SITES + 1):
                pictures = {**batch(), "site_index": torch.full_like(batch()["site_index"], site)}
                assert torch.isfinite(objective(**pictures)["loss"])

    def test_images_can_be_weighed(self) -> None:
        """Weights of one are no weights; others change the loss of the segmentation."""
        objective, pictures = self.objective().eval(), batch()
        count = len(pictures["image"])
        without = objective(**pictures)
        ones = objective(**pictures, weight=torch.ones(count))
        torch.testing.assert_close(ones["loss"], without["loss"])
        uneven = objective(**pictures, weight=torch.linspace(0.1, 1.9, count))
        assert not torch.isclose(uneven["seg"], without["seg"])

    def test_evaluation_draws_nothing_and_looks_at_no_neighbour(self) -> None:
        """The same picture gets the same logits, alone or in a batch."""
        model = build_model(self.make()).eval()
        images = model.normalize(batch()["image"][:3])
        with torch.no_grad():
            together = model(images)
            assert torch.equal(model(images), together)
            for i in range(len(images)):
                alone = model(images[i : i + 1])[0]
                torch.testing.assert_close(alone, together[i], atol=1e-3, rtol=1e-3)

    def test_a_stopped_training_goes_on_to_the_same_weights(self, tmp_path: Path) -> None:
        """Whatever training needs is in the state of model, criterion and optimizer."""
        straight = Trainer(self.objective(), self.lr)
        straight.train(range(2))
        straight.save(tmp_path / "state")
        resumed = Trainer(self.objective(seed=1), self.lr)
        resumed.load(tmp_path / "state")
        straight.train(range(2, 4))
        resumed.train(range(2, 4))
        found, expected = resumed.objective.state_dict(), straight.objective.state_dict()
        assert found.keys() == expected.keys()
        assert not [name for name in found if not torch.equal(found[name], expected[name])]

    def test_a_saved_model_is_the_same(self, tmp_path: Path) -> None:
        """A trained model is written down and loaded, without criterion or text tower."""
        trainer = Trainer(self.objective(), self.lr)
        trainer.train(range(2))
        model = trainer.objective.model.eval()
        again = CausalSegmenter.from_pretrained(model.save_pretrained(tmp_path))
        images = model.normalize(batch()["image"])
        with torch.no_grad():
            assert torch.equal(again(images), model(images))

    def test_it_learns(self) -> None:
        """Sixteen pictures are learned in a few steps: Dice rises, and L_seg falls.

        The whole loss need not: an adversary's part of it may rise.
        """
        trainer = Trainer(self.objective(), self.lr)
        before = trainer.dice()
        terms = trainer.train(range(self.steps))
        after = trainer.dice()
        assert after > before + self.gain, f"Dice was {before:.3f}, and is {after:.3f}"
        assert terms[-1]["seg"] < terms[0]["seg"] / 2
        assert all(math.isfinite(value) for step in terms for value in step.values())


def build_model(rival: Rival, seed: int = 0, classes: int = 1) -> CausalSegmenter:
    """Build a segmenter of a rival's parts, as a study does."""
    torch.manual_seed(seed)
    vlm, pack = mini()
    parts = rival.parts(vlm, pack)
    torch.manual_seed(seed)  # again: parts may have drawn weights of their own
    return CausalSegmenter(DECODER, pack=pack, vlm=vlm, classes=classes, **parts)


def build_objective(rival: Rival, seed: int = 0) -> Objective:
    """Build a rival's model and its criterion around the plain one."""
    model = build_model(rival, seed)
    plain = CausalLoss(model.prompts, "ce+dice", lambda_causal=0, lambda_contrast=0)
    return Objective(model, rival.criterion(model, plain, num_sites=TRAINED_SITES + 1))


@cache
def mini() -> tuple[VisionLanguageModel, PromptPack]:
    """Return the bundled vision-language model and the endoscopy pack."""
    return vlms.load("mini"), PromptPack.load("endoscopy")


@cache
def batch() -> dict[str, Tensor]:
    """Return sixteen pictures of two rendered sites (16, 3, 64, 64), as the loop loads them."""
    sites = [
        RenderedSite(site, size=64, length=8, site_index=index)
        for index, site in enumerate(SITES[:TRAINED_SITES])
    ]
    items = default_collate([site[row] for site in sites for row in range(len(site))])
    kept = {name: items[name] for name in ("image", "class_index", "site_index")}
    return {**kept, "mask": items["mask"].clamp(max=1)}


def unreached(objective: Objective) -> set[str]:
    """Return the trained parameters that no gradient has come to."""
    trained = ((name, p) for name, p in objective.named_parameters() if p.requires_grad)
    return {name for name, p in trained if p.grad is None}


@cache
def unreached_by_plain() -> frozenset[str]:
    """Return what plain training does not reach: what projects to levels that no decoder reads."""
    objective = build_objective(Plain()).train()
    objective(**batch())["loss"].backward()
    return frozenset(unreached(objective))


class Trainer:
    """Steps of AdamW on the sixteen pictures; what a step draws follows from its number.

    Args:
        objective: model and criterion.
        lr: the learning rate.
    """

    def __init__(self, objective: Objective, lr: float) -> None:
        self.objective = objective
        self.settings = TrainingSettings.model_validate({"lr": lr})
        self.optimizer = adamw(objective.model, objective.criterion, self.settings)

    def train(self, steps: range) -> list[dict[str, float]]:
        """Make steps of these numbers; return the loss terms of each."""
        self.objective.train()
        return [self._step(number) for number in steps]

    def save(self, path: Path) -> None:
        """Write the checkpoint that training writes."""
        save_state(path, self.objective, self.optimizer, self.settings)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        load_state(path, self.objective, self.optimizer, self.settings)

    @torch.no_grad()
    def dice(self) -> float:
        """Return the Dice coefficient over all pixels of the pictures."""
        model = self.objective.model.eval()
        found = model(model.normalize(batch()["image"]))[:, 0] > 0
        lesion = batch()["mask"] > 0
        return float(2 * (found & lesion).sum() / (found.sum() + lesion.sum()))

    def _step(self, number: int) -> dict[str, float]:
        torch.manual_seed(number)
        terms = self.objective(**batch())
        self.optimizer.zero_grad()
        terms["loss"].backward()
        self.optimizer.step()
        return {name: float(value.detach()) for name, value in terms.items()}
