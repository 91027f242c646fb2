"""The world of finite sets: its sums by hand, its samples, and who recovers P(Y|do(F))."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.estimators import Attention, Enumeration
from deconfound.simulation import DiscreteSCM, Sample, random_scm
from deconfound.testing.scm_strategies import scms
from deconfound.types import Confounders, Regions

WORLDS = ("observational", "interventional", "reversed")


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)


@given(scm=scms())
def test_the_joint_is_the_product_of_the_mechanisms(scm) -> None:
    for z, pz in enumerate(scm.prior.tolist()):
        for f, base in enumerate(scm.base.tolist()):
            pf = (1 - scm.strength) * base + scm.strength * (scm.preferred[z] == f)
            for y, py in enumerate(scm.outcome[f, z].tolist()):
                assert scm.joint()[z, f, y].item() == pytest.approx(pz * pf * py, abs=1e-14)


@given(scm=scms())
def test_the_worlds_share_what_an_intervention_leaves_alone(scm) -> None:
    joints = {world: scm.joint(world) for world in WORLDS}
    for joint in joints.values():
        close(joint.sum(), torch.ones((), dtype=torch.float64))
        close(joint.sum(dim=(1, 2)), scm.prior)
        pairs = joint.sum(dim=2, keepdim=True)
        close((joint / pairs).transpose(0, 1), scm.outcome)
    close(joints["interventional"].sum(dim=(0, 2)), joints["observational"].sum(dim=(0, 2)))


@given(scm=scms())
def test_where_the_feature_is_set_what_is_observed_is_what_it_does(scm) -> None:
    """In the interventional world F and Z are independent, and P(Y|F) is P(Y|do(F))."""
    pairs = scm.joint("interventional").sum(dim=2)
    close(pairs, pairs.sum(dim=1, keepdim=True) * pairs.sum(dim=0))
    close(scm.outcome_observed("interventional"), scm.outcome_under_do())


@given(scm=scms(), world=st.sampled_from(WORLDS))
def test_what_is_observed_follows_from_the_joint(scm, world) -> None:
    by_feature = scm.joint(world).sum(dim=0)
    close(scm.outcome_observed(world), by_feature / by_feature.sum(dim=1, keepdim=True))


@given(scm=scms(strength=st.just(0.0)))
def test_without_confounding_the_worlds_are_one(scm) -> None:
    for world in WORLDS:
        close(scm.joint(world), scm.joint())
    close(scm.outcome_observed(), scm.outcome_under_do())


@given(scm=scms(least=2), strength=st.floats(0.01, 0.99))
def test_strength_moves_the_conditional_from_the_do(scm, strength) -> None:
    """P(Y|do(F)) does not depend on the dial; the dependence of F on Z is s times its most."""
    confounded = scm.with_strength(strength)
    close(confounded.outcome_under_do(), scm.with_strength(0).outcome_under_do())
    moved = confounded.feature_given_confounder() - scm.base
    close(moved / strength, scm.with_strength(0.5).feature_given_confounder() * 2 - 2 * scm.base)


@given(scm=scms(least=2))
def test_in_the_reversed_world_every_confounder_goes_with_another_feature(scm) -> None:
    scm = scm.with_strength(0.9)
    reversed_ = scm.feature_given_confounder("reversed") - 0.1 * scm.base
    own = scm.feature_given_confounder() - 0.1 * scm.base
    assert (reversed_.argmax(dim=1) != own.argmax(dim=1)).all()
    close(reversed_.sum(dim=1), own.sum(dim=1))


@given(scm=scms())
def test_with_one_confounder_or_one_feature_nothing_is_confounded(scm) -> None:
    if len(scm.prior) == 1 or len(scm.base) == 1:
        close(scm.outcome_observed(), scm.outcome_under_do())


@pytest.mark.parametrize("world", WORLDS)
def test_samples_follow_the_joint(world) -> None:
    scm, count = random_scm(1, num_confounders=4, num_outcomes=3), 40_000
    drawn, joint = scm.sample(count, world, seed=3), scm.joint(world)
    expected = count * joint
    distance = (table(drawn, joint.shape) - expected) / (expected * (1 - joint)).sqrt()
    assert distance.abs().max() < 4.5  # the largest of 36 standard normals
    assert 0.5 < distance.std() < 1.5


def test_samples_repeat_from_their_seed() -> None:
    a, b, c = (random_scm().sample(50, seed=s) for s in (1, 1, 2))
    assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("z", "f", "y"))
    assert not torch.equal(a.f, c.f)


def test_records_for_what_works_on_regions() -> None:
    scm = random_scm(num_confounders=4, num_features=2, dim=5)
    regions, z = scm.regions(), scm.dictionary()
    assert regions.features.shape == (1, 2, 5)
    assert z.names == ("z0", "z1", "z2", "z3")
    assert torch.equal(regions.features[0, regions.index[0]], scm.features)
    assert torch.equal(z.prior, scm.prior)
    assert z.embeddings.shape == (4, 5)


# --- who recovers P(Y|do(F)) from observational samples ------------------------------------


def table(sample: Sample, shape: torch.Size) -> Tensor:
    """Counts of (z, f, y)."""
    flat = (sample.z * shape[1] + sample.f) * shape[2] + sample.y
    return torch.bincount(flat, minlength=shape.numel()).view(shape).double()


def regression(counts: Tensor) -> Tensor:
    """P̂(y|f) by frequencies: plain regression with nothing left out but z."""
    pairs = counts.sum(dim=0)
    return pairs / pairs.sum(dim=1, keepdim=True)


def backdoor(scm: DiscreteSCM, counts: Tensor) -> Tensor:
    """P̂(y|do(f)): the library's enumeration over P̂(y|f, z) and P̂(z) by frequencies."""
    outcome = (counts / counts.sum(dim=2, keepdim=True)).transpose(0, 1)
    prior = counts.sum(dim=(1, 2)) / counts.sum()
    frequencies = Confounders(scm.confounders, prior, scm.dictionary().names)

    def effects(regions: Regions, z: Confounders) -> Tensor:
        return outcome.transpose(0, 1)[None]

    start = torch.zeros(1, len(scm.base), counts.shape[2], dtype=torch.float64)
    regions = Regions(start, scm.regions().index)
    return Enumeration()(effects, regions, frequencies).features[0]


@given(scm=scms())
def test_enumerating_the_true_outcome_model_is_the_do_distribution(scm) -> None:
    close(backdoor(scm, scm.joint()), scm.outcome_under_do())
    close(regression(scm.joint()), scm.outcome_observed())


@given(scm=scms())
def test_attention_that_reads_z_from_f_leaves_the_confounding_in(scm) -> None:
    """With cos(f, z)/T = log P(f|z), the attention estimator over the true A gives P(Y|F)."""
    likelihood = scm.feature_given_confounder().log().T
    radius = 1 + likelihood.norm(dim=1).max()
    rest = (radius**2 - likelihood.square().sum(dim=1, keepdim=True)).sqrt()
    m, k = len(scm.prior), scm.outcome.shape[2]
    vectors = torch.nn.functional.pad(torch.cat([likelihood, rest], dim=1), (0, k))
    z = Confounders(torch.eye(m, m + 1 + k).double(), scm.prior, scm.dictionary().names)
    regions = Regions(vectors[None], scm.regions().index)

    def effects(regions: Regions, z: Confounders) -> Tensor:
        return torch.nn.functional.pad(scm.outcome, (0, m + 1)).transpose(0, 1)[None]

    out = Attention(temperature=1 / radius.item())(effects, regions, z)
    close(out.weights[0], scm.confounder_given_feature())
    close(out.features[0, :, :k], regression(scm.joint()))


def errors(scm: DiscreteSCM, count: int, seeds: range) -> tuple[float, float]:
    """Return the root mean squared errors of backdoor and regression against P(Y|do(F))."""
    truth, squared = scm.outcome_under_do(), torch.zeros(2, dtype=torch.float64)
    for seed in seeds:
        counts = table(scm.sample(count, seed=seed), scm.joint().shape)
        assert (counts.sum(dim=2) > 0).all()
        for i, found in enumerate((backdoor(scm, counts), regression(counts))):
            squared[i] += (found - truth).square().mean() / len(seeds)
    adjusted, plain = squared.sqrt().tolist()
    return adjusted, plain


@pytest.mark.parametrize("world_seed", [0, 1, 2])
def test_the_backdoor_estimate_converges_and_regression_does_not(world_seed) -> None:
    scm = random_scm(world_seed, strength=0.8)
    gap = (scm.outcome_observed() - scm.outcome_under_do()).square().mean().sqrt().item()
    assert gap > 0.05
    by_size = [errors(scm, count, range(20)) for count in (2_000, 32_000)]
    (early, _), (late, plain) = by_size
    assert late < 0.4 * early  # one over root n: a quarter at sixteen times the samples
    tolerance = 0.02
    assert late < tolerance < gap < plain + tolerance / 2
    assert plain == pytest.approx(gap, abs=0.01)  # it converges, but to something else


@pytest.mark.parametrize("world_seed", [0, 1, 2])
def test_without_confounding_both_are_right(world_seed) -> None:
    adjusted, plain = errors(random_scm(world_seed, strength=0), 32_000, range(20))
    assert adjusted < 0.02
    assert plain < 0.02


# --- what cannot be a world ------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": 1.0}, r"strength must lie in \[0, 1\), found 1.0"),
        ({"strength": -0.1}, r"strength must lie in \[0, 1\), found -0.1"),
        ({"preferred": (0, 1)}, "one of 3 features for each of 3 confounders, found \\(0, 1\\)"),
        ({"preferred": (0, 1, 3)}, r"expected `preferred` to name .* found \(0, 1, 3\)"),
        ({"prior": torch.tensor([0.5, 0.5, 0.5]).double()}, "`prior` as float64 probabilities"),
        ({"prior": torch.tensor([0.5, 0.5, 0.0]).double()}, "every probability in `prior` above 0"),
        ({"base": torch.tensor([1.5, -0.25, -0.25]).double()}, "`base` as float64 probabilities"),
        ({"base": torch.full((3,), 1 / 3)}, r"found torch.float32 of shape \(3,\)"),
        ({"outcome": torch.full((3, 2, 2), 0.5).double()}, r"of shape \(3, 3, 2\)"),
        ({"features": torch.zeros(2, 8).double()}, r"expected `features` as \(3, 8\) vectors"),
        ({"confounders": torch.zeros(3, 4).double()}, r"`confounders` as \(3, 8\) vectors"),
    ],
)
def test_every_mistake_is_one_sentence(change, message) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        replace(random_scm(), **change)
    assert "\n" not in str(caught.value)


def test_a_world_with_a_typo_and_a_sample_of_nothing() -> None:
    with pytest.raises(UnknownNameError, match="unknown world 'reverse'; did you mean reversed"):
        random_scm().joint("reverse")
    with pytest.raises(ConfigurationError, match="at least 1, found 0"):
        random_scm().sample(0)
