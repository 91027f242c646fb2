"""Estimators of E_z[A(f, z)]: against the sum by hand, in expectation, and at the limits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deconfound.errors import ShapeError, UnknownNameError
from deconfound.estimators import (
    Attention,
    Enumeration,
    MonteCarlo,
    PriorMean,
    average_outcomes,
    estimators,
)
from deconfound.estimators.weighting import read_posterior
from deconfound.testing.strategies import DIM, confounders, regions, seeds
from deconfound.types import Confounders, Regions


def doubled(f: Regions, z: Confounders) -> tuple[Regions, Confounders]:
    prior = z.prior.double()
    return (
        Regions(f.features.double(), f.index),
        Confounders(z.embeddings.double(), prior / prior.sum(), z.names),
    )


def bent(f: Regions, z: Confounders) -> torch.Tensor:
    """An outcome model that is affine in neither: tanh(f ⊙ z) + z²."""
    z_ = z.embeddings[:, None]
    return torch.tanh(f.features[:, None] * z_) + z_.square()


def affine(f: Regions, z: Confounders) -> torch.Tensor:
    """An outcome model that is affine in z, and not in f."""
    z_ = z.embeddings[:, None]
    return f.features[:, None].sin() * z_ + f.features[:, None] ** 2 - 3 * z_


def by_hand(effects, f: Regions, z: Confounders) -> torch.Tensor:
    """Σ_z P(z) A(f, z), one confounder and one image at a time."""
    images = []
    for i in range(len(f.features)):
        image = Regions(f.features[i : i + 1], f.index[i : i + 1])
        total = torch.zeros_like(f.features[i])
        for m, name in enumerate(z.names):
            alone = Confounders(z.embeddings[m : m + 1], torch.ones(1).double(), (name,))
            total = total + z.prior[m] * effects(image, alone)[0, 0]
        images.append(total)
    return torch.stack(images)


@given(f=regions(), z=confounders())
def test_enumeration_is_the_sum_written_by_hand(f, z) -> None:
    f, z = doubled(f, z)
    out = Enumeration()(bent, f, z)
    torch.testing.assert_close(out.features, by_hand(bent, f, z), atol=1e-12, rtol=1e-12)
    assert torch.equal(out.weights, z.prior.expand_as(out.weights))


@given(f=regions(), z=confounders())
def test_prior_mean_is_exact_where_the_outcome_is_affine_in_z(f, z) -> None:
    f, z = doubled(f, z)
    out = PriorMean()(affine, f, z)
    expected = Enumeration()(affine, f, z)
    torch.testing.assert_close(out.features, expected.features, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(out.weights, expected.weights)


def test_prior_mean_is_off_elsewhere() -> None:
    """A = z² at z = ±1: the mean of squares is 1, the square of the mean 0."""
    z = Confounders(torch.tensor([[1.0], [-1.0]]), torch.full((2,), 0.5), ("up", "down"))
    f = Regions(torch.zeros(1, 1, 1), torch.zeros(1, 1, dtype=torch.int64))

    def squared(f: Regions, z: Confounders) -> torch.Tensor:
        return z.embeddings[:, None].square()[None]

    assert Enumeration()(squared, f, z).features.item() == 1
    assert PriorMean()(squared, f, z).features.item() == 0


@given(f=regions(), z=confounders())
def test_attention_without_a_temperature_is_enumeration(f, z) -> None:
    f, z = doubled(f, z)
    exact = Enumeration()(bent, f, z)
    out = Attention(float("inf"))(bent, f, z)
    torch.testing.assert_close(out.features, exact.features, atol=1e-12, rtol=1e-12)
    far = [
        (Attention(t)(bent, f, z).features - exact.features).abs().max().item() for t in (1e2, 1e4)
    ]
    assert far[1] <= 1e-3
    assert far[1] <= far[0] + 1e-12


@given(f=regions(), z=confounders(), temperature=st.floats(0.01, 10))
def test_attention_weighs_by_bayes_rule(f, z, temperature) -> None:
    """P(z|f) ∝ P(z) exp(cos(f, z)/T), normalised by hand."""
    f, z = doubled(f, z)
    cosine = torch.nn.functional.cosine_similarity(
        f.features[:, :, None], z.embeddings[None, None], dim=-1
    )
    unnormalised = z.prior * torch.exp(cosine / temperature)
    expected = unnormalised / unnormalised.sum(dim=-1, keepdim=True)
    out = Attention(temperature)(bent, f, z)
    torch.testing.assert_close(out.weights, expected, atol=1e-10, rtol=1e-8)
    summed = torch.einsum("bnm,bmnd->bnd", expected, bent(f, z))
    torch.testing.assert_close(out.features, summed, atol=1e-10, rtol=1e-8)


@given(f=regions(), z=confounders())
def test_a_confounder_of_prior_zero_counts_for_nothing(f, z) -> None:
    f, z = doubled(f, z)
    extra = Confounders(
        torch.cat([z.embeddings, 100 * torch.ones(1, DIM).double()]),
        torch.cat([z.prior, z.prior.new_zeros(1)]),
        (*z.names, "never"),
    )
    for estimator in (Enumeration(), PriorMean(), Attention(), MonteCarlo(50).eval()):
        out = estimator(bent, f, extra)
        assert (out.weights[..., -1] == 0).all()
        assert torch.isfinite(out.features).all()
        if not isinstance(estimator, MonteCarlo):
            torch.testing.assert_close(out.features, estimator(bent, f, z).features)


@pytest.fixture
def case() -> tuple[Regions, Confounders]:
    g = torch.Generator().manual_seed(5)
    features = torch.randn(1, 3, DIM, generator=g, dtype=torch.float64)
    z = torch.randn(6, DIM, generator=g, dtype=torch.float64)
    prior = torch.tensor([0.3, 0.25, 0.2, 0.1, 0.1, 0.05], dtype=torch.float64)
    return Regions(features, torch.arange(3)[None]), Confounders(z, prior, tuple("abcdef"))


def over_seeds(case, samples: int, count: int) -> torch.Tensor:
    f, z = case
    draws = [MonteCarlo(samples, seed).eval()(bent, f, z).features for seed in range(count)]
    return torch.stack(draws)


@pytest.mark.parametrize("samples", [1, 4])
def test_monte_carlo_is_unbiased(case, samples) -> None:
    draws = over_seeds(case, samples, 1000)
    error = draws.std(dim=0) / len(draws) ** 0.5
    distance = (draws.mean(dim=0) - Enumeration()(bent, *case).features) / error
    assert distance.abs().max() < 4.5  # the largest of 48 standard normals
    assert 0.5 < distance.std() < 2  # and they do vary: the error is not overstated


def test_monte_carlo_converges_as_one_over_root_n(case) -> None:
    """The mean squared error at n draws is Var_z[A] / n, at every n."""
    f, z = case
    exact, effects = Enumeration()(bent, f, z).features, bent(f, z)
    spread = torch.einsum("m,bmnd->bnd", z.prior, (effects - exact[:, None]).square()).sum()
    for samples in (1, 16, 256):
        squared = (over_seeds(case, samples, 400) - exact).square().sum(dim=(1, 2, 3))
        error = squared.std() / len(squared) ** 0.5
        assert abs(squared.mean() - spread / samples) < 4 * error
        assert error < 0.1 * spread / samples


def test_monte_carlo_reports_the_draws_it_averaged(case) -> None:
    f, z = case
    out = MonteCarlo(8, seed=2).eval()(bent, f, z)
    torch.testing.assert_close(out.features, torch.einsum("bnm,bmnd->bnd", out.weights, bent(f, z)))
    assert torch.equal(out.weights * 8, (out.weights * 8).round())


def test_monte_carlo_asks_the_outcome_model_about_its_draws_only(case) -> None:
    asked = []

    def watched(f: Regions, z: Confounders) -> torch.Tensor:
        asked.extend(z.embeddings.tolist())
        return bent(f, z)

    MonteCarlo(3).eval()(watched, *case)
    assert len(asked) == 3
    assert all(embedding in case[1].embeddings.tolist() for embedding in asked)


def test_monte_carlo_can_be_exported(case) -> None:
    f, z = case

    class Averaged(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.estimator = MonteCarlo(4)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return self.estimator(bent, Regions(features, f.index), z).features

    model = Averaged().eval()
    exported = torch.export.export(model, (f.features,)).module()
    torch.testing.assert_close(exported(f.features), model(f.features))


def test_monte_carlo_draws_afresh_in_training_and_the_same_in_evaluation(case) -> None:
    estimator = MonteCarlo(4, seed=1)
    torch.manual_seed(0)
    first, second = (estimator(bent, *case).features for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(estimator(bent, *case).features, first)
    estimator.eval()
    state = torch.get_rng_state()
    assert torch.equal(estimator(bent, *case).features, estimator(bent, *case).features)
    assert torch.equal(torch.get_rng_state(), state)  # nor does it move anybody else's draws


@given(f=regions(), z=confounders(), name=st.sampled_from(list(estimators)))
def test_an_outcome_that_ignores_the_confounder_is_handed_through(f, z, name) -> None:
    f, z = doubled(f, z)

    def indifferent(f: Regions, z: Confounders) -> torch.Tensor:
        return (2 * f.features + 1)[:, None].expand(-1, len(z.names), -1, -1)

    out = estimators.build(name).eval()(indifferent, f, z)
    torch.testing.assert_close(out.features, 2 * f.features + 1)


def test_close_scores_are_told_apart_under_autocast(case) -> None:
    """A cosine near 0.3 has steps of 0.002 in bf16, which at T = 0.01 are a fifth of a nat."""
    f, z = case
    exact = read_posterior(f.features.float(), z, 0.01)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(read_posterior(f.features.float(), z, 0.01), exact)


def test_the_registry_names_them_all() -> None:
    known = ["attention", "enumeration", "monte_carlo", "prior_mean", "standardisation"]
    assert list(estimators) == known
    with pytest.raises(UnknownNameError, match="did you mean monte_carlo"):
        estimators.build("montecarlo")


@st.composite
def effects_and_prior(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    b, m, n, g = *(draw(st.integers(1, 4)) for _ in range(3)), draw(seeds)
    generator = torch.Generator().manual_seed(g)
    effects = torch.randn(b, m, n, 5, generator=generator, dtype=torch.float64)
    return effects, torch.rand(m, generator=generator, dtype=torch.float64).add(0.05).log().softmax(
        0
    )


@given(case=effects_and_prior(), classes=st.integers(1, 4))
def test_levels_against_the_equations(case, classes) -> None:
    effects, prior = case
    head = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, classes))
    head = head.double().requires_grad_(False)
    per_z = [head(effects[:, m]) for m in range(len(prior))]
    squash = torch.sigmoid if classes == 1 else lambda x: x.softmax(dim=-1)
    mean = sum(p * effects[:, m] for m, p in enumerate(prior))
    expected = {
        "feature": head(mean),
        "logit": sum(p * x for p, x in zip(prior, per_z, strict=True)),
    }
    for level, logits in expected.items():
        torch.testing.assert_close(average_outcomes(head, effects, prior, level), logits)
    probability = sum(p * squash(x) for p, x in zip(prior, per_z, strict=True))
    found = average_outcomes(head, effects, prior, "probability")
    torch.testing.assert_close(squash(found), probability)


@given(case=effects_and_prior())
def test_averaged_logits_are_the_weighted_geometric_mean_of_probabilities(case) -> None:
    """NWGM: Π_z p_z^{P(z)}, normalised over the classes."""
    effects, prior = case
    head = torch.nn.Linear(5, 3).double().requires_grad_(False)
    probabilities = head(effects).softmax(dim=-1)
    geometric = torch.stack([probabilities[:, m] ** p for m, p in enumerate(prior)]).prod(dim=0)
    expected = geometric / geometric.sum(dim=-1, keepdim=True)
    found = average_outcomes(head, effects, prior, "logit").softmax(dim=-1)
    torch.testing.assert_close(found, expected)
    # and an affine head makes the level of features the level of logits
    torch.testing.assert_close(average_outcomes(head, effects, prior).softmax(dim=-1), expected)


def test_a_decoder_with_channels_second() -> None:
    """Maps (B, C, h, w): the class axis is 1, from the front or from the back."""
    effects, prior = torch.randn(2, 3, 4, 5).double(), torch.tensor([0.5, 0.3, 0.2]).double()
    linear = torch.nn.Linear(5, 3).double().requires_grad_(False)

    def decoder(features: torch.Tensor) -> torch.Tensor:
        return linear(features).transpose(1, 2).unflatten(-1, (2, 2))

    by_front = average_outcomes(decoder, effects, prior, "probability", class_dim=1)
    by_back = average_outcomes(decoder, effects, prior, "probability", class_dim=-3)
    assert by_front.shape == (2, 3, 2, 2)
    assert torch.equal(by_front, by_back)
    torch.testing.assert_close(by_front.exp().sum(dim=1), torch.ones(2, 2, 2).double())


@given(case=effects_and_prior(), classes=st.integers(1, 3))
def test_a_confounder_of_weight_zero_has_no_say_in_gradients(case, classes) -> None:
    effects, prior = case
    head = torch.nn.Linear(5, classes).double()

    def gradient(effects: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores.requires_grad_()  # as of attention, whose softmax gives the weights
        averaged = average_outcomes(head, effects, scores.softmax(dim=0), "probability")
        return torch.autograd.grad(averaged.square().sum(), scores)[0]

    never = torch.full((1,), -torch.inf).double()
    one_more = torch.cat([effects, torch.randn_like(effects[:, :1])], dim=1)
    found = gradient(one_more, torch.cat([prior.log(), never]))
    torch.testing.assert_close(found[:-1], gradient(effects, prior.log()))
    assert found[-1] == 0


def test_extreme_logits_do_not_overflow() -> None:
    effects = torch.tensor([[[[200.0]], [[-200.0]]]])
    found = average_outcomes(
        torch.nn.Identity(), effects, torch.tensor([0.75, 0.25]), "probability"
    )
    torch.testing.assert_close(found.sigmoid(), torch.tensor([[[0.75]]]))


def test_mistakes_are_one_sentence() -> None:
    effects, prior = torch.zeros(1, 2, 3, 4), torch.full((2,), 0.5)
    with pytest.raises(UnknownNameError, match="unknown level 'logits'; did you mean logit"):
        average_outcomes(torch.nn.Identity(), effects, prior, "logits")
    with pytest.raises(ShapeError, match=r"found \(1, 2, 3, 4\) and \(3,\)"):
        average_outcomes(torch.nn.Identity(), effects, torch.ones(3) / 3)
    with pytest.raises(ShapeError, match=r"expected effects \(B, M, N, d\)"):
        average_outcomes(torch.nn.Identity(), effects[0], prior)
