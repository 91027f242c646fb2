"""How a rendered world chooses: the class, what comes with it, what does not, and what hides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deconfound.simulation.draws import uniforms
from deconfound.simulation.names import CLASSES, CONFOUNDERS
from deconfound.simulation.sampling import WEAKEST, sample_classes, sample_strengths
from deconfound.simulation.scm.causes import Causes, acting
from deconfound.simulation.scm.discrete import World
from deconfound.simulation.scm.structure import Edge, Mediator, Structure
from deconfound.simulation.scm.variants import SETTABLE
from deconfound.simulation.sites import Site

_NUMBERS = ("touched", "within", "shade", "anew", "follows", "edge", "crowd", "force")
"""Independent uniforms of a picture, read by name; one more for each mediator."""

MEDIATED = 0.7
"""Strength of a mediator where there is one."""


def draw_site(scm: Structure, number: int, index: Sequence[int], world: World, seed: int) -> Causes:
    """Draw the causes of some pictures of one site; see `RenderedSCM.draw`."""
    site = scm.sites[number]
    drawn = uniforms(seed, index, f"{site.name}/scm", len(_NUMBERS) + len(scm.mediators))
    u = dict(zip(_NUMBERS, drawn.T, strict=False))
    classes = sample_classes(seed, index, site)
    alone = torch.full_like(classes, -1)
    background = torch.zeros(len(index), len(CONFOUNDERS))
    if scm.others:
        others = sample_strengths(seed, index, site, alone, 0.0, scm.others)
        background = torch.where((u["crowd"] < 0.5)[:, None], others, background)
    for mediator, draw in zip(scm.mediators, drawn.T[len(_NUMBERS) :], strict=True):
        background = _caused(mediator, classes, draw, background)
    return Causes(
        seed=seed,
        index=torch.tensor(list(index)),
        site_index=torch.full_like(classes, number),
        class_index=classes,
        confounder=_confounder(scm, site, classes, u, world),
        force=WEAKEST + (1 - WEAKEST) * u["force"],
        background=background,
        exposure=_exposure(scm.unobserved, site, classes, u, world),
    )


def _confounder(
    scm: Structure, site: Site, classes: Tensor, u: dict[str, Tensor], world: World
) -> Tensor:
    """Choose what goes with the picture's own class, or with one drawn anew from P(k | site)."""
    anew = torch.searchsorted(_cumulative(site)[:-1], u["anew"].double(), right=True)
    shown = (classes + 1) % len(CLASSES) if world == "reversed" else classes
    follows = u["follows"] < (0 if world == "interventional" else scm.strength)
    return _edge(scm.edges, torch.where(follows, shown, anew), u["edge"])


def _edge(edges: Sequence[Edge], lesion: Tensor, draw: Tensor) -> Tensor:
    """Return the confounder of one of a class's edges, each as likely, -1 where it has none."""
    chosen = torch.full_like(lesion, -1)
    for number, name in enumerate(CLASSES):
        ends = [SETTABLE.index(edge.confounder) for edge in edges if edge.lesion == name]
        if ends:
            pick = torch.tensor(ends)[(draw * len(ends)).long()]
            chosen = torch.where(lesion == number, pick, chosen)
    return chosen


def _caused(mediator: Mediator, classes: Tensor, draw: Tensor, background: Tensor) -> Tensor:
    """Let a lesion of one class bring its effect, as often as it does."""
    there = (classes == CLASSES.index(mediator.lesion)) & (draw < mediator.probability)
    effect = torch.where(there, CONFOUNDERS.index(mediator.confounder), -1)
    return acting(background, effect, torch.full_like(draw, MEDIATED))


def _exposure(
    unobserved: float, site: Site, classes: Tensor, u: dict[str, Tensor], world: World
) -> Tensor:
    """Let the hidden cause U set the camera's exposure in a share of the pictures.

    U is uniform, and the class is the quantile of P(k | site) at it. So U given the class is
    uniform between the class's two bounds, and is drawn there: neither P(k) nor P(exposure) moves.
    """
    above = _cumulative(site).float()[classes]
    hidden = above - torch.tensor(site.class_prior)[classes] * u["within"]
    if world == "interventional":
        return u["shade"]
    if world == "reversed":
        hidden = 1 - hidden
    return torch.where(u["touched"] < unobserved, hidden, u["shade"]).clamp(0, 1)


def _cumulative(site: Site) -> Tensor:
    return torch.tensor(site.class_prior, dtype=torch.float64).cumsum(dim=0)
