"""BiomedCoOp: the contract of rivals, its two terms, and which prompts of the ensemble count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from deconfound.errors import ConfigurationError
from deconfound.prompts import PromptEmbeddings
from deconfound.rivals import BiomedCoOp, Plain
from deconfound.rivals.biomedcoop import NORMAL_MAD, BiomedCoOpLoss, select_prompts
from deconfound.testing import RivalContract
from deconfound.testing.rivals import Trainer, batch, build_model, build_objective, mini
from deconfound.testing.strategies import generator, seeds
from deconfound.types import Explanation

K, M, DIM = 3, 9, 8


class TestBiomedCoOp(RivalContract):
    def make(self) -> BiomedCoOp:
        return BiomedCoOp()


class PlainStub(nn.Module):
    """A plain loss of two."""

    def forward(self, explanation, mask, class_index, *, causal, weight):
        return {"loss": torch.tensor(2.0), "seg": torch.tensor(2.0)}


class LayerStub(nn.Module):
    """Learned embeddings, K classes and normal tissue."""

    def __init__(self, embeddings: torch.Tensor, scale: float = 4.0) -> None:
        super().__init__()
        self.free = nn.Parameter(embeddings)
        self.scale = scale

    def embeddings(self) -> torch.Tensor:
        return F.normalize(self.free, dim=-1)


class PackStub(nn.Module):
    """An ensemble (K, M, d)."""

    def __init__(self, joint: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("joint", F.normalize(joint, dim=-1))


def saying(pooled: torch.Tensor) -> Any:
    nothing: Any = None
    logits = torch.zeros(len(pooled), 1, 4, 4)
    return Explanation(logits, nothing, nothing, nothing, nothing, pooled)


def terms_of(
    loss: BiomedCoOpLoss, pooled: torch.Tensor, known: list[int]
) -> dict[str, torch.Tensor]:
    mask = torch.zeros(len(pooled), 4, 4, dtype=torch.int64)
    return loss(saying(pooled), mask, torch.tensor(known))


def ensemble_mean(pack: nn.Module) -> torch.Tensor:
    return F.normalize(pack.joint.mean(dim=1), dim=-1)


@given(seed=seeds)
def test_at_the_mean_of_the_ensemble_consistency_is_zero_and_elsewhere_it_is_not(seed) -> None:
    g = generator(seed)
    pack, pooled = PackStub(torch.randn(K, M, DIM, generator=g)), torch.randn(2, DIM, generator=g)
    normal = torch.randn(1, DIM, generator=g)
    there = LayerStub(torch.cat([ensemble_mean(pack), normal]))
    assert terms_of(BiomedCoOpLoss(PlainStub(), there, pack), pooled, [0, 1])["consistency"] < 1e-10
    away = LayerStub(torch.randn(K + 1, DIM, generator=g))
    found = terms_of(BiomedCoOpLoss(PlainStub(), away, pack), pooled, [0, 1])["consistency"]
    expected = (away.embeddings()[:K] - ensemble_mean(pack)).square().sum() / (K * DIM)
    torch.testing.assert_close(found, expected)


@given(seed=seeds)
def test_distillation_is_the_divergence_from_the_kept_prompts(seed) -> None:
    g = generator(seed)
    joint = torch.randn(K, 1, DIM, generator=g) + 0.1 * torch.randn(K, M, DIM, generator=g)
    pack, layer = PackStub(joint), LayerStub(torch.randn(K + 1, DIM, generator=g))
    pooled = torch.randn(4, DIM, generator=g)
    found = terms_of(BiomedCoOpLoss(PlainStub(), layer, pack, threshold=1e9), pooled, [0, 1, 2, 0])
    scores = [
        (layer.scale * F.normalize(pooled, dim=-1) @ texts.T).softmax(dim=-1)
        for texts in (ensemble_mean(pack), layer.embeddings()[:K])
    ]
    expected = (scores[0] * (scores[0].log() - scores[1].log())).sum(dim=-1).mean() / K
    torch.testing.assert_close(found["distillation"], expected, atol=1e-5, rtol=1e-4)
    same = LayerStub(torch.cat([ensemble_mean(pack), layer.free[K:].detach()]))
    silent = terms_of(BiomedCoOpLoss(PlainStub(), same, pack, threshold=1e9), pooled, [0] * 4)
    assert silent["distillation"].abs() < 1e-6


def test_pictures_of_unknown_class_are_not_distilled() -> None:
    pack, layer = PackStub(torch.randn(K, M, DIM)), LayerStub(torch.randn(K + 1, DIM))
    loss, pooled = BiomedCoOpLoss(PlainStub(), layer, pack), torch.randn(4, DIM)
    some = terms_of(loss, pooled, [0, -1, 2, -1])["distillation"]
    torch.testing.assert_close(terms_of(loss, pooled[[0, 2]], [0, 2])["distillation"], some)
    none = terms_of(loss, pooled, [-1] * 4)["distillation"]
    assert none == 0
    none.backward()
    assert torch.equal(layer.free.grad, torch.zeros_like(layer.free))


@given(seed=seeds, count=st.integers(3, 12), far=st.floats(5, 100), sign=st.sampled_from([-1, 1]))
def test_a_planted_outlier_is_dropped(seed, count, far, sign) -> None:
    g = generator(seed)
    scores = torch.linspace(0, 1, count)[torch.randperm(count, generator=g)]
    planted = torch.cat([scores, torch.tensor([0.5 + sign * far])])
    kept = select_prompts(planted, threshold=3.5)
    assert not kept[-1]
    assert kept[:-1].all()


@given(
    scores=st.lists(st.integers(-1000, 1000), min_size=1, max_size=12),
    threshold=st.floats(NORMAL_MAD, 5),
    shift=st.integers(-1000, 1000),
    data=st.data(),
)
def test_half_are_kept_at_least_whatever_order_sign_and_origin(scores, threshold, shift, data):
    values = torch.tensor(scores, dtype=torch.float64)
    kept = select_prompts(values, threshold)
    assert 2 * kept.sum() >= len(kept)
    assert torch.equal(select_prompts(shift - values, threshold), kept)
    order = data.draw(st.permutations(range(len(scores))))
    assert torch.equal(select_prompts(values[order], threshold), kept[order])


def test_an_outlier_of_the_ensemble_teaches_nothing() -> None:
    """A prompt that fits no picture is left out of the teacher, but not of the mean."""
    pooled = F.normalize(torch.ones(2, DIM) + 0.1 * torch.randn(2, DIM), dim=-1)
    near = torch.ones(K, M, DIM) + 0.5 * torch.randn(K, M, DIM)
    odd = near.clone()
    odd[:, 4] = torch.tensor([[-5.0], [-8.0], [-3.0]])
    layer = LayerStub(torch.randn(K + 1, DIM))
    rest = [m for m in range(M) if m != 4]
    losses = [
        terms_of(BiomedCoOpLoss(PlainStub(), layer, PackStub(e), threshold=3.5), pooled, [0, 1])
        for e in (odd, near[:, rest])
    ]
    torch.testing.assert_close(losses[0]["distillation"], losses[1]["distillation"])
    assert not torch.isclose(losses[0]["consistency"], losses[1]["consistency"])


def test_the_terms_are_added_by_their_weights() -> None:
    pack, layer = PackStub(torch.randn(K, M, DIM)), LayerStub(torch.randn(K + 1, DIM))
    found = terms_of(
        BiomedCoOpLoss(PlainStub(), layer, pack, 3.0, 0.5), torch.randn(2, DIM), [0, 1]
    )
    expected = 2 + 3 * found["consistency"] + 0.5 * found["distillation"]
    torch.testing.assert_close(found["loss"], expected)
    assert found["seg"] == 2


def test_only_the_context_and_the_decoder_are_trained() -> None:
    trainer = Trainer(build_objective(BiomedCoOp()), lr=3e-3)
    model = trainer.objective.model
    before = {k: v.clone() for k, v in model.state_dict().items()}
    text = {k: v.clone() for k, v in model.intervention.text.named_buffers()}
    trainer.train(range(2))
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert {"intervention.context", "intervention.embedded"} <= moved
    assert not [k for k in moved if k.startswith(("tower.", "prompts.", "dictionary."))]
    assert all(torch.equal(v, text[k]) for k, v in model.intervention.text.named_buffers())


def test_the_ensemble_is_the_packs_and_consistency_draws_the_prompt_to_it() -> None:
    objective = build_objective(BiomedCoOp(consistency=1e4, distillation=0.0))
    assert isinstance(objective.criterion.prompts, PromptEmbeddings)
    assert objective.criterion.prompts.joint.shape[:2] == (5, 12)
    terms = Trainer(objective, lr=3e-3).train(range(8))
    assert terms[-1]["consistency"] < 0.8 * terms[0]["consistency"]


def test_a_saved_model_holds_no_text_tower() -> None:
    model = build_model(BiomedCoOp())
    names = {k for k in model.state_dict() if k.startswith("intervention.")}
    assert names == {"intervention.context", "intervention.embedded"}
    assert model.intervention.embedded.isfinite().all()


def test_the_task_with_classes_has_the_same_terms() -> None:
    rival, (_, pack) = BiomedCoOp(), mini()
    model = build_model(rival, classes=len(pack.class_names) + 1)
    loss = rival.criterion(model, PlainStub(), num_sites=2)
    pictures = batch()
    said = model.trace(model.normalize(pictures["image"]))
    terms = loss(said, pictures["mask"], pictures["class_index"])
    assert terms["loss"].isfinite()
    assert terms["distillation"] > 0


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match="expected a model built from its parts"):
        BiomedCoOp().criterion(build_model(Plain()), PlainStub(), num_sites=2)
    model = build_model(BiomedCoOp())
    with pytest.raises(ConfigurationError, match=r"weights must be ≥ 0, found -1.0 and 1.0"):
        BiomedCoOp(consistency=-1.0).criterion(model, PlainStub(), num_sites=2)
    with pytest.raises(ConfigurationError, match=r"threshold must be ≥ 0.6745, found 0.5"):
        BiomedCoOp(threshold=0.5).criterion(model, PlainStub(), num_sites=2)
