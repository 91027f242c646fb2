"""StyLIP: the contract of rivals, and that in a whole model the prompt follows the picture."""

from __future__ import annotations

import json

import torch

from deconfound import CausalSegmenter
from deconfound.rivals import StyLIP
from deconfound.testing import RivalContract
from deconfound.testing.rivals import Trainer, batch, build_model, build_objective, mini
from deconfound.vlm import load


class TestStyLIP(RivalContract):
    def make(self) -> StyLIP:
        return StyLIP()


def texts_of(model: CausalSegmenter, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.intervention.texts(model.trace(model.normalize(images)).regions.features)


def test_a_trained_model_gives_two_lights_two_prompts() -> None:
    trainer = Trainer(build_objective(StyLIP()), lr=3e-3)
    model, images = trainer.objective.model, batch()["image"][:2]
    lights = torch.cat([images, images.pow(2)])  # the same lesions, in darker pictures
    before = texts_of(model, lights)
    torch.testing.assert_close(before, before[:1].expand_as(before), atol=1e-5, rtol=1e-5)
    trainer.train(range(4))
    bright, dark = texts_of(model, lights).chunk(2)
    assert ((bright - dark).abs().amax(dim=(1, 2)) > 1e-4).all()
    assert bright.shape == (2, len(mini()[1].class_names) + 1, mini()[0].embed_dim)


def test_an_untrained_prompt_is_the_written_sentence() -> None:
    vlm, pack = mini()
    model = build_model(StyLIP("a view of")).eval()
    words = [f"a view of {text}" for text in (*pack.class_names, pack.normal)]
    expected = vlm.encode_text(words)
    torch.testing.assert_close(
        texts_of(model, batch()["image"][:1])[0], expected, atol=1e-5, rtol=1e-5
    )


def test_training_leaves_both_towers_as_they_were() -> None:
    trainer = Trainer(build_objective(StyLIP()), lr=3e-3)
    model = trainer.objective.model
    frozen = {
        k: v.clone()
        for k, v in model.state_dict().items()
        if k.startswith(("tower.", "intervention.text."))
    }
    assert len(frozen) > 20
    trainer.train(range(2))
    state = model.state_dict()
    assert not [k for k in frozen if not torch.equal(frozen[k], state[k])]
    fresh = load("mini").text.clip.state_dict()
    used = mini()[0].text.clip.state_dict()
    assert not [k for k in fresh if not torch.equal(fresh[k], used[k])]


def test_the_saved_model_brings_its_text_tower_without_the_vocabulary(tmp_path) -> None:
    model = build_model(StyLIP())
    folder = model.save_pretrained(tmp_path)
    spec = json.loads((folder / "config.json").read_text())["intervention"]
    assert spec["name"] == "stylip"
    assert spec["text"]["spec"]["text_cfg"]["width"] == 48
    saved = sum(v.numel() for k, v in model.state_dict().items() if ".text." in k)
    assert saved < 49408 * 48 / 10
