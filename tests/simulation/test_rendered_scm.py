"""Worlds of pictures: who depends on whom in each, and counterfactuals that change one thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.metrics import mutual_info_score
from torch import Tensor

from deconfound.errors import ConfigurationError, DeconfoundError, UnknownNameError
from deconfound.simulation import CLASSES, CONFOUNDERS, SITES, WORLDS, Edge, Mediator, RenderedSCM
from deconfound.simulation.names import EXCLUSIVE
from deconfound.simulation.scm import SETTABLE, UNRENDERABLE, Causes, edges
from deconfound.testing.scm_strategies import rendered_scms

MANY = 5_000
KINDS = ("observational", "interventional", "reversed")
MOVING = ("near_view", "far_view")
few = settings(max_examples=5)  # examples that render


def table(one: Tensor, other: Tensor) -> np.ndarray:
    """Counts of pairs, without rows and columns that never occur; -1 is a value too."""
    counts = np.zeros((int(one.max()) + 2, int(other.max()) + 2))
    np.add.at(counts, (one.numpy() + 1, other.numpy() + 1), 1)
    return counts[counts.sum(1) > 0][:, counts.sum(0) > 0]


def p_independent(causes: Causes, effect: Tensor) -> float:
    """The smallest p-value, over sites, of independence of class and an effect, times the sites."""
    places = [causes.site_index == s for s in causes.site_index.unique().tolist()]
    tests = [chi2_contingency(table(causes.class_index[w], effect[w])) for w in places]
    return min(float(test.pvalue) for test in tests) * len(places)


def same(one: Causes, other: Causes, *but: str) -> None:
    for name in Causes.__slots__:
        if name not in but and name != "seed":
            assert torch.equal(getattr(one, name), getattr(other, name)), name


# --- marginals and dependence ------------------------------------------------------------


@pytest.mark.parametrize("name", WORLDS)
def test_class_and_confounder_are_independent_only_where_the_picture_is_set(name) -> None:
    scm = WORLDS[name]
    for world in KINDS:
        causes = scm.draw(MANY, world, seed=1)
        p = p_independent(causes, causes.confounder)
        assert p > 1e-3 if world == "interventional" else p < 1e-12, world
    unconfounded = scm.with_strength(0).draw(MANY, seed=2)
    assert p_independent(unconfounded, unconfounded.confounder) > 1e-3


@pytest.mark.parametrize("name", WORLDS)
def test_the_marginal_of_the_confounder_is_that_under_do(name) -> None:
    """At every strength, and at every site."""
    do = WORLDS[name].draw(MANY, "interventional", seed=3)
    for strength in (0.0, 0.5, 1.0):
        seen = WORLDS[name].with_strength(strength).draw(MANY, seed=4)
        for site in range(len(SITES)):
            parts = [x.confounder[x.site_index == site] for x in (do, seen)]
            origin = torch.cat([torch.full_like(part, i) for i, part in enumerate(parts)])
            assert chi2_contingency(table(origin, torch.cat(parts))).pvalue > 1e-4


def test_strength_is_the_share_that_follows_the_class() -> None:
    """P(z of k | k) = s + (1 - s) P(k), where each class has one confounder of its own."""
    own = torch.tensor([SETTABLE.index(e.confounder) for e in WORLDS["renderable"].edges])
    prior = torch.tensor([site.class_prior for site in SITES])
    for strength in (0.0, 0.5, 0.95, 1.0):
        causes = WORLDS["renderable"].with_strength(strength).draw(MANY, seed=5)
        chance = prior[causes.site_index, causes.class_index]
        expected = strength + (1 - strength) * chance
        found = (causes.confounder == own[causes.class_index]).float()
        assert (found - expected).mean().abs() < 4 * 0.5 / MANY**0.5


def test_dependence_grows_with_strength() -> None:
    found = []
    for strength in (0.0, 0.5, 0.8, 0.95, 0.99):
        causes = WORLDS["mixed"].with_strength(strength).draw(MANY, seed=6)
        found.append(mutual_info_score(causes.class_index, causes.confounder))
    assert found == sorted(found)
    assert found[0] < 0.05 < 1.0 < found[-1]


def test_in_the_reversed_world_a_class_shows_another_ones_confounder() -> None:
    scm = WORLDS["mixed"].with_strength(1)
    as_it_is, turned = (scm.draw(MANY, world, seed=7) for world in ("observational", "reversed"))
    for number in range(len(CLASSES)):
        after = (number + 1) % len(CLASSES)
        shown = set(turned.confounder[turned.class_index == number].tolist())
        assert shown == set(as_it_is.confounder[as_it_is.class_index == after].tolist())
        assert not shown & set(as_it_is.confounder[as_it_is.class_index == number].tolist())


def test_a_class_with_two_edges_shows_each_as_often() -> None:
    causes = WORLDS["mixed"].with_strength(1).draw(MANY, seed=8)
    shown = causes.confounder[causes.class_index == CLASSES.index("inflammation")]
    share = (shown == SETTABLE.index("palette")).float().mean().item()
    assert share == pytest.approx(0.5, abs=4 * 0.5 / len(shown) ** 0.5)


def test_worlds_are_what_their_names_say() -> None:
    out_of_reach = {
        name: [edge.confounder in UNRENDERABLE for edge in scm.edges]
        for name, scm in WORLDS.items()
    }
    assert not any(out_of_reach["renderable"])
    assert np.mean(out_of_reach["mixed"]) == pytest.approx(1 / 3)
    assert all(out_of_reach["unrenderable"])
    assert WORLDS["mixed"].confounders == (
        *("nbi", "dark", "palette", "white_light", "vignette", "bright"),
    )


@given(scm=rendered_scms(), world=st.sampled_from(KINDS), seed=st.integers(0, 2**32))
def test_every_world_can_be_drawn(scm, world, seed) -> None:
    causes = scm.draw(23, world, seed)
    own = {SETTABLE.index(name) for name in scm.confounders}
    assert set(causes.confounder.tolist()) <= own | {-1}
    assert ((causes.exposure >= 0) & (causes.exposure <= 1)).all()
    assert ((causes.force > 0) & (causes.force <= 1)).all()
    assert ((causes.strengths >= 0) & (causes.strengths <= 1)).all()
    for one, other in EXCLUSIVE:
        pair = causes.strengths[:, [CONFOUNDERS.index(one), CONFOUNDERS.index(other)]]
        assert not (pair > 0).all(dim=1).any()
    assert (causes.background > 0).sum(dim=1).max() <= scm.others + len(scm.mediators)


@given(scm=rendered_scms(), seed=st.integers(0, 2**32), count=st.integers(5, 40))
def test_worlds_differ_in_what_confounds_and_in_nothing_else(scm, seed, count) -> None:
    seen = scm.draw(count, "observational", seed)
    for world in KINDS:
        same(scm.draw(count, world, seed), seen, "confounder", "exposure")
    for strength in (0.0, 1.0):
        same(scm.with_strength(strength).draw(count, seed=seed), seen, "confounder")
    more = scm.draw(5 * count, seed=seed)  # every site's first pictures are the same
    where = torch.cat([(more.site_index == s).nonzero()[: count // 5, 0] for s in range(5)])
    first = torch.cat([(seen.site_index == s).nonzero()[: count // 5, 0] for s in range(5)])
    same(more.take(where), seen.take(first))


# --- mediators, and what is hidden --------------------------------------------------------


def test_a_mediator_depends_on_its_class_in_every_world() -> None:
    blood = CONFOUNDERS.index("blood")
    scm = replace(
        WORLDS["renderable"], mediators=(Mediator("tumor", "blood", 0.7),), others=0, strength=0.5
    )
    for world in KINDS:
        causes = scm.draw(MANY, world, seed=9)
        tumor = causes.class_index == CLASSES.index("tumor")
        bleeds = causes.strengths[:, blood] > 0
        assert not bleeds[~tumor].any()
        assert bleeds[tumor].float().mean().item() == pytest.approx(0.7, abs=0.03)
        within = causes.take(tumor.nonzero()[:, 0])  # it is an effect of the lesion alone
        assert chi2_contingency(table(bleeds[tumor].long(), within.confounder)).pvalue > 1e-4


@pytest.mark.parametrize("world", KINDS)
def test_the_hidden_cause_ties_exposure_to_class_but_not_under_do(world) -> None:
    hidden = replace(WORLDS["renderable"], unobserved=0.8)
    causes = hidden.draw(MANY, world, seed=10)
    p = p_independent(causes, (4 * causes.exposure).long())
    assert p > 1e-3 if world == "interventional" else p < 1e-12
    uniform = torch.linspace(0, 1, MANY)
    assert ks_2samp(causes.exposure, uniform).pvalue > 1e-4  # P(exposure) is what it was
    same(causes, WORLDS["renderable"].draw(MANY, world, seed=10), "exposure")


# --- pictures ---------------------------------------------------------------------------


def sample_of(seed: int, lesion: str = "polyp", others: int = 1, count: int = 10):
    scm = RenderedSCM("test", edges(**{lesion: "nbi"}), strength=0.5, others=others)
    return scm, scm.sample(count, seed=seed, size=32)


def close(one: Tensor, other: Tensor) -> None:
    """One level of 255: batches of other sizes agree to rounding."""
    assert (one.int() - other.int()).abs().max() <= 1


@few
@given(seed=st.integers(0, 2**32), world=st.sampled_from(KINDS))
def test_pictures_repeat_from_their_seed(seed, world) -> None:
    one, other = (WORLDS["mixed"].sample(15, world, seed, size=32) for _ in range(2))
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.masks, other.masks)
    assert one.images.dtype == one.masks.dtype == torch.uint8
    assert one.images.shape == (15, 3, 32, 32)
    assert one.masks.shape == (15, 32, 32)
    assert one.site_index.tolist() == [s for s in range(5) for _ in range(3)]
    lesions = one.masks.flatten(1).amax(dim=1)
    there = lesions > 0  # a small one can lie behind the vignette
    assert torch.equal(lesions[there].long(), one.class_index[there] + 1)
    assert there.float().mean() > 0.6


def test_patients_are_four_frames_of_one_site() -> None:
    groups = RenderedSCM("test", ()).sample(50, size=16).groups
    sizes = {name: groups.count(name) for name in groups}
    assert sorted(sizes.values()) == [2] * 5 + [4] * 10
    assert {name.split("/")[0] for name in groups} == {site.name for site in SITES}


@few
@given(seed=st.integers(0, 2**32))
def test_any_confounder_can_be_set_and_taken_away(seed) -> None:
    """do(z) depends on the scene and on z, and not on what was there before."""
    scm, sample = sample_of(seed)
    absent = scm.do(sample, "dark", 0)
    assert (absent.confounder == -1).all()
    close(absent.images, scm.do(scm.do(sample, "anatomy"), "blur", 0).images)
    untouched = (sample.confounder == -1).nonzero()[:, 0]
    close(absent.images[untouched], sample.images[untouched])
    assert torch.equal(absent.masks[untouched], sample.masks[untouched])
    bright = scm.do(sample, "bright", 0.6)
    close(bright.images, scm.do(scm.do(sample, "near_view"), "bright", 0.6).images)
    assert bright.groups == sample.groups


@few
@given(seed=st.integers(0, 2**32), name=st.sampled_from(["nbi", *UNRENDERABLE]))
def test_setting_what_is_there_changes_nothing(seed, name) -> None:
    scm = RenderedSCM("test", tuple(Edge(lesion, name) for lesion in CLASSES))
    sample = scm.sample(5, seed=seed, size=32)
    assert (sample.confounder == SETTABLE.index(name)).all()
    row = torch.tensor([3])
    alone = scm.show(sample.causes.take(row), 32)
    again = scm.do(alone, name, sample.causes.force[3].item())
    assert torch.equal(again.images, alone.images)
    assert torch.equal(again.masks, alone.masks)
    close(alone.images, sample.images[row])


@pytest.mark.parametrize("name", SETTABLE)
def test_do_changes_the_picture_and_leaves_the_lesion(name) -> None:
    scm, sample = sample_of(11, count=20)
    without, with_it = scm.do(sample, "blur", 0), scm.do(sample, name, 0.8)
    moved = (with_it.images.int() - without.images.int()).abs().float().flatten(1).mean(dim=1)
    assert (moved > 0.25).all()  # of 255: even a little glare is more than rounding
    same(with_it.causes, without.causes, "confounder", "force")
    if name == "vignette":
        kept = with_it.masks > 0
        assert torch.equal(with_it.masks[kept], without.masks[kept])
        assert kept.sum() < (without.masks > 0).sum()
    elif name not in MOVING:
        assert torch.equal(with_it.masks, without.masks)
    else:
        assert not torch.equal(with_it.masks, without.masks)


def test_what_contradicts_gives_way_and_comes_back() -> None:
    """The background is kept: dark hides a bright one for as long as it lasts."""
    scm, sample = sample_of(12, others=3, count=60)
    dark, bright = CONFOUNDERS.index("dark"), CONFOUNDERS.index("bright")
    had = sample.causes.background[:, bright] > 0
    assert had.any()
    under = scm.do(sample, "dark", 0.7)
    assert (under.causes.strengths[:, bright] == 0).all()
    assert (under.causes.strengths[:, dark] == 0.7).all()
    assert (scm.do(under, "blur").causes.strengths[had, bright] > 0).all()


# --- what cannot be a world ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": (Edge("polip", "nbi"),)}, "unknown lesion class 'polip'; did you mean polyp"),
        ({"edges": (Edge("polyp", "nbo"),)}, "unknown confounder 'nbo'"),
        ({"edges": (Edge("polyp", "nbi"),) * 2}, "an edge stands twice"),
        ({"strength": 1.1}, r"lie in \[0, 1\], found \(1.1, 0.0\)"),
        ({"unobserved": -1.0}, r"lie in \[0, 1\], found"),
        ({"mediators": (Mediator("cyst", "blood", 2.0),)}, r"lie in \[0, 1\], found"),
        ({"mediators": (Mediator("cyst", "palette", 0.5),)}, "unknown mediator 'palette'"),
    ],
)
def test_every_mistake_is_one_sentence(change, message) -> None:
    with pytest.raises(DeconfoundError, match=message) as caught:
        replace(WORLDS["renderable"], **change)
    assert "\n" not in str(caught.value)


def test_mistakes_in_a_question() -> None:
    scm, sample = sample_of(13)
    with pytest.raises(UnknownNameError, match="unknown world 'reverse'"):
        scm.draw(10, "reverse")
    with pytest.raises(ConfigurationError, match="each of 5 sites, found 4"):
        scm.draw(4)
    with pytest.raises(UnknownNameError, match="unknown confounder 'nbu'"):
        scm.do(sample, "nbu")
    with pytest.raises(ConfigurationError, match=r"strength must lie in \[0, 1\], found 1.5"):
        scm.do(sample, "nbi", 1.5)
