"""Trained models as subjects: whatever is computed is computed again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from deconfound import CausalSegmenter
from deconfound.data.memory import MemoryDataset
from deconfound.diagnostics.refuters import (
    HasLinearView,
    HasOutcomes,
    HasRegionPrompts,
    InferenceSubject,
    IrrelevantText,
    Paraphrases,
    PlaceboDictionary,
    RetrainSubject,
    Training,
    default_refuters,
    overall,
    refute,
)
from deconfound.diagnostics.refuters.other_words import dressed_like
from deconfound.diagnostics.refuters.placebo_regions import turn_region_prompts
from deconfound.dictionaries import TextPromptDictionary
from deconfound.errors import ConfigurationError, ShapeError
from deconfound.interventions import GatedMLPIntervention, interventions
from deconfound.testing.refuters import assert_recomputed
from deconfound.training.metrics import SegmentationMetrics
from deconfound.types import Confounders
from tests.tiny import tiny_vlm


def model_of(intervention="gated_mlp") -> CausalSegmenter:
    """A tiny segmenter whose intervention reaches the logits."""
    torch.manual_seed(0)
    decoder = {"name": "Unet", "decoder_channels": (16, 16, 8, 8, 8)}
    model = CausalSegmenter(decoder, vlm=tiny_vlm(), intervention=intervention).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "gate" in name or "fusion" in name:
                parameter.normal_(std=0.5)
    return model


def pictures(count: int = 6) -> MemoryDataset:
    g = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=g, dtype=torch.uint8)
    masks = (torch.rand(count, 32, 32, generator=g) < 0.4).to(torch.uint8)
    nothing = torch.zeros(count, dtype=torch.int64)
    return MemoryDataset(images, masks, nothing, nothing)


def placebo(z: Confounders) -> Confounders:
    return PlaceboDictionary().change(z, 1)


def dice(model: CausalSegmenter, images: MemoryDataset) -> torch.Tensor:
    """Dice of every image, by the plainest way there is."""
    metrics = SegmentationMetrics(model.classes)
    with torch.no_grad():
        for i in range(len(images)):
            logits = model(model.normalize(images[i]["image"][None]))
            nobody = torch.tensor([-1])
            metrics.update(logits, images[i]["mask"][None], nobody, nobody)
    return torch.from_numpy(metrics.result("").dice)


def with_dictionary(model: CausalSegmenter, z: Confounders) -> CausalSegmenter:
    model.dictionary = TextPromptDictionary(z.names, z.embeddings, z.prior)
    return model


def test_the_real_dictionary_gives_the_model_as_it_is() -> None:
    model, images = model_of(), pictures()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    subject = InferenceSubject(model, images)
    torch.testing.assert_close(subject.estimate(subject.dictionary()), dice(model, images))
    subject.estimate(placebo(subject.dictionary()))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_another_dictionary_gives_the_model_that_has_it() -> None:
    model, images = model_of(), pictures()
    subject = InferenceSubject(model, images)
    changed = placebo(subject.dictionary())
    expected = dice(with_dictionary(model_of(), changed), images)
    assert_recomputed(subject, lambda z: expected, changed)
    assert not torch.equal(expected, subject.estimate(subject.dictionary()))


class Remembering(GatedMLPIntervention):
    """Keeps the first dictionary it meets, as a cache that nobody clears would."""

    kept: Confounders | None = None

    def effects(self, regions, confounders):
        self.kept = self.kept or confounders
        return super().effects(regions, self.kept)


class InPlace:
    """A subject as one would first write it: another dictionary is put into the running model."""

    def __init__(self, model, images) -> None:
        self.model, self.images, self.real = model, images, model.dictionary()
        self.groups = torch.arange(len(images))

    def dictionary(self):
        return self.real

    def estimate(self, confounders, seed=0):
        return dice(with_dictionary(self.model, confounders), self.images)


@pytest.fixture
def remembering(monkeypatch):
    monkeypatch.setattr(interventions, "_known", dict(interventions._known))
    interventions.register("remembering")(Remembering)
    return "remembering"


def test_a_stale_cache_is_caught_and_this_subject_has_none(remembering) -> None:
    images = pictures()
    real = model_of(remembering).dictionary()
    changed = placebo(real)

    def fresh(z: Confounders) -> torch.Tensor:
        return dice(with_dictionary(model_of(remembering), z), images)

    with pytest.raises(AssertionError, match="computed under another dictionary"):
        assert_recomputed(InPlace(model_of(remembering), images), fresh, changed)
    used = model_of(remembering)
    dice(used, images)  # it was run before anybody doubted it
    assert_recomputed(InferenceSubject(used, images), fresh, changed)


def test_what_is_remembered_is_found_by_numbers_alone() -> None:
    subject = InferenceSubject(model_of(), pictures())
    z = subject.dictionary()
    same_names = replace(z, embeddings=placebo(z).embeddings)
    assert not torch.equal(subject.estimate(z), subject.estimate(same_names))
    other_prior = replace(z, prior=torch.eye(len(z.names))[0] * 0.9 + 0.1 / len(z.names))
    assert not torch.equal(subject.estimate(z), subject.estimate(other_prior))


def test_shuffled_masks_and_placebo_regions_are_other_subjects() -> None:
    subject = InferenceSubject(model_of(), pictures())
    z = subject.dictionary()
    real = subject.estimate(z).clone()
    assert not torch.equal(subject.with_shuffled_outcomes(1).estimate(z), real)
    assert not torch.equal(subject.with_placebo_regions(1).estimate(z), real)
    assert torch.equal(subject.estimate(z), real)
    for capability in (HasOutcomes, HasRegionPrompts, HasLinearView):
        assert isinstance(subject, capability)


def test_a_model_without_intervention_is_refuted() -> None:
    subject = InferenceSubject(model_of("identity"), pictures())
    found = PlaceboDictionary().refute(subject, (0,))
    assert (found.verdict, found.effect) == ("refuted", 0.0)


def test_all_refuters_answer_about_a_model() -> None:
    model = model_of()
    encode = tiny_vlm().encode_text
    refuters = default_refuters(model.dictionary().names, model.pack, encode)
    seen = []
    subject = InferenceSubject(model, pictures(), groups=["a", "a", "b", "b", "c", "c"])
    found = refute(subject, refuters, (0,), lambda *done: seen.append(done))
    assert seen[-1] == (len(refuters), len(refuters))
    assert len({one.name for one in found}) == len(refuters)
    assert overall(found) in ("supported", "refuted", "inconclusive")
    assert all(one.low <= one.effect <= one.high for one in found if one.to_json()["effect"])
    assert {one.name for one in found if one.to_json()["effect"] is None} == {
        *("permuted pairs", "unobserved confounder"),  # a uniform prior; six images
    }


def test_training_again_is_asked_for_every_dictionary_and_seed() -> None:
    asked = []

    def train(training: Training) -> CausalSegmenter:
        asked.append((training.confounders.names[0], training.seed))
        return with_dictionary(model_of(), training.confounders).train()

    z = model_of().dictionary()
    subject = RetrainSubject(train, z, pictures())
    found = PlaceboDictionary().refute(subject, (0, 1))
    assert sorted(asked) == sorted((n, s) for n in (z.names[0], "placebo 1") for s in (0, 1))
    again = InferenceSubject(model_of(), pictures())
    assert found == PlaceboDictionary().refute(again, (0, 1))
    for capability in (HasOutcomes, HasRegionPrompts, HasLinearView):
        assert isinstance(subject, capability)


def test_turned_region_prompts_are_the_models_alone() -> None:
    """A loss that compares with the classes keeps the real ones."""
    model = model_of()
    of_the_loss, before = model.prompts, model.prompts.classes.clone()
    turn_region_prompts(model, 0)
    assert torch.equal(of_the_loss.classes, before)
    assert not torch.allclose(model.prompts.classes, before)
    assert torch.equal(model.prompts.confounders, of_the_loss.confounders)


def test_words_are_replaced_by_as_many_words() -> None:
    model, encode = model_of(), tiny_vlm().encode_text
    z = model.dictionary()
    nonsense = IrrelevantText(encode, model.pack.templates.confounder).change(z, 0)
    assert not set(nonsense.names) & set(z.names)
    assert nonsense.embeddings.shape == z.embeddings.shape
    texts = [one.text for group in model.pack.groups for one in group.confounders]
    said = Paraphrases(encode, texts, ["An endoscopy image with {confounder}"]).change(z, 0)
    torch.testing.assert_close(said.embeddings, z.embeddings)
    assert said.names == z.names


def test_a_placebo_is_centred_where_the_real_dictionary_is() -> None:
    z = model_of().dictionary()
    raw = torch.randn_like(z.embeddings) + 3
    assert torch.equal(dressed_like(z, raw), raw)
    centred = replace(z, embeddings=z.embeddings - z.prior @ z.embeddings)
    dressed = dressed_like(centred, raw)
    torch.testing.assert_close(z.prior @ dressed, torch.zeros(raw.shape[1]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("parts", [{"intervention": "leace"}, {"level_intervention": "erasure"}])
def test_an_eraser_was_fitted_with_the_dictionary_and_only_training_again_can_doubt_it(
    parts,
) -> None:
    """Another dictionary would change no logit: every placebo would be "refuted"."""
    model = CausalSegmenter("FPN", vlm=tiny_vlm(), **parts)
    with pytest.raises(ConfigurationError, match="fitted to them before training; train"):
        InferenceSubject(model, pictures())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="a group for each of 6 images, found 2"):
        InferenceSubject(model_of(), pictures(), groups=["a", "b"])
    many = Confounders(torch.randn(40, 32), torch.full((40,), 1 / 40), ("x",) * 40)
    with pytest.raises(ConfigurationError, match="words for 32 confounders, found 40"):
        IrrelevantText(tiny_vlm().encode_text, "{confounder}").change(many, 0)
