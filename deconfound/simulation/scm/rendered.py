"""A structural causal model over rendered pictures: who causes what is data.

::

    site ──► class Y ──────────► scene ───► picture X, mask
      │        │ strength                      ▲
      └────────┴──► confounder Z ──────────────┤
    U (unobserved) ──► class, exposure ────────┤
    class ──► mediator (an effect of it) ──────┘

With probability ``strength`` the confounder is the one that goes with the picture's class; else
it is the one that goes with a class drawn anew from the site's own P(k). P(z) is therefore the same
at every strength, and under do(F): only its dependence on the class differs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.simulation.draws import uniforms
from deconfound.simulation.names import CLASSES, CONFOUNDERS, EXCLUSIVE
from deconfound.simulation.render import render
from deconfound.simulation.sampling import WEAKEST, sample_classes, sample_strengths
from deconfound.simulation.scenes import IMAGES_PER_PATIENT, Scenes
from deconfound.simulation.scm.discrete import World
from deconfound.simulation.scm.variants import SETTABLE, UNRENDERABLE, variant
from deconfound.simulation.sites import SITES, Site


@dataclass(frozen=True, slots=True)
class Edge:
    """A class that shows itself with a confounder: ``lesion → confounder``."""

    lesion: str
    confounder: str


@dataclass(frozen=True, slots=True)
class Mediator:
    """An effect of the lesion, such as its blood: it depends on the class in *every* world.

    Attributes:
        lesion: the class that causes it.
        confounder: what it looks like.
        probability: how often.
    """

    lesion: str
    confounder: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Causes:
    """Everything that decides n pictures, and no pixel yet.

    Attributes:
        seed: of the scenes.
        index: (n,) number of each picture within its site.
        site_index: (n,) position in the model's sites.
        class_index: (n,) position in ``CLASSES``.
        confounder: (n,) position in ``SETTABLE`` of what the class, or the draw, brought; -1 none.
        strengths: (n, 12) of the confounders that `render` takes.
        exposure: (n,) in [0, 1], the camera's; what the unobserved cause moves.
    """

    seed: int
    index: Tensor
    site_index: Tensor
    class_index: Tensor
    confounder: Tensor
    strengths: Tensor
    exposure: Tensor

    def take(self, rows: Tensor) -> Causes:
        """Return the causes of some pictures."""
        names = ("index", "site_index", "class_index", "confounder", "strengths", "exposure")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class RenderedSample:
    """Pictures with their causes.

    Attributes:
        images: (n, 3, S, S) uint8.
        masks: (n, S, S) uint8, class index + 1 on the lesion.
        causes: what decided them; all that an estimator must not see but class and site.
        groups: the patient of each picture.
    """

    images: Tensor
    masks: Tensor
    causes: Causes
    groups: tuple[str, ...]

    @property
    def class_index(self) -> Tensor:
        """(n,) position in ``CLASSES``."""
        return self.causes.class_index

    @property
    def site_index(self) -> Tensor:
        """(n,) position in the model's sites."""
        return self.causes.site_index

    @property
    def confounder(self) -> Tensor:
        """(n,) position in ``SETTABLE``, -1 for none."""
        return self.causes.confounder


@dataclass(frozen=True)
class RenderedSCM:
    """A world of pictures.

    Attributes:
        name: of the world.
        edges: class → confounder; a class with several shows each equally often.
        strength: dependence of confounder and class, 0 (none, given the site) to 1 (a function).
        mediators: effects of the lesion.
        unobserved: share of the pictures whose class a hidden cause decides, together with the
            exposure: one half of the classes with a long one, the other with a short one. No
            dictionary names it.
        others: the most further confounders in a picture, drawn from P(z | site) whatever the
            class; 0 for none.
        sites: hospitals, with their own P(k) and P(z).

    Raises:
        ConfigurationError: a name that does not exist, twice the same edge, a share outside [0, 1].
    """

    name: str
    edges: tuple[Edge, ...]
    strength: float = 0.95
    mediators: tuple[Mediator, ...] = ()
    unobserved: float = 0.0
    others: int = 1
    sites: tuple[Site, ...] = SITES

    def __post_init__(self) -> None:
        for link in (*self.edges, *self.mediators):
            if link.lesion not in CLASSES:
                raise unknown_name("lesion class", link.lesion, CLASSES)
            if link.confounder not in SETTABLE:
                raise unknown_name("confounder", link.confounder, SETTABLE)
        if len(set(self.edges)) < len(self.edges):
            raise ConfigurationError(f"SCM {self.name}: an edge stands twice; remove one")
        shares = (self.strength, self.unobserved, *(m.probability for m in self.mediators))
        if not all(0 <= share <= 1 for share in shares):
            raise ConfigurationError(
                f"SCM {self.name}: strength, unobserved and probabilities lie in [0, 1], "
                f"found {shares}"
            )
        for mediator in self.mediators:
            if mediator.confounder in UNRENDERABLE:
                raise ConfigurationError(
                    f"SCM {self.name}: a mediator lies on the tissue, one of {CONFOUNDERS}, "
                    f"found {mediator.confounder}"
                )

    def with_strength(self, strength: float) -> RenderedSCM:
        """Return the same world at another strength of confounding."""
        return replace(self, strength=strength)

    @property
    def confounders(self) -> tuple[str, ...]:
        """The confounders that depend on the class, in the order of the edges."""
        return tuple(dict.fromkeys(edge.confounder for edge in self.edges))

    def draw(self, count: int, world: World = "observational", seed: int = 0) -> Causes:
        """Draw the causes of pictures; nothing is rendered.

        Args:
            count: n, divided evenly among the sites.
            world: ``observational``: the confounder follows the class as ``strength`` says.
                ``interventional``: as do(F) has it, with the same P(z), whatever the class.
                ``reversed``: it follows the class in the same measure, but another one's.
            seed: the same seed gives the same scenes in every world.

        Raises:
            ConfigurationError: fewer pictures than sites.
        """
        if world not in get_args(World):
            raise unknown_name("world", str(world), get_args(World))
        if count < len(self.sites):
            raise ConfigurationError(
                f"SCM {self.name}: expected at least one picture for each of {len(self.sites)} "
                f"sites, found {count}"
            )
        bounds = torch.linspace(0, count, len(self.sites) + 1).round().long().tolist()
        parts = [
            self._draw_site(number, range(stop - start), world, seed)
            for number, (start, stop) in enumerate(itertools.pairwise(bounds))
        ]
        names = ("index", "site_index", "class_index", "confounder", "strengths", "exposure")
        return Causes(seed, *(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def show(self, causes: Causes, size: int = 96) -> RenderedSample:
        """Render what the causes decide; pictures are S = ``size`` pixels wide."""
        count = len(causes.index)
        images = torch.zeros(count, 3, size, size, dtype=torch.uint8)
        masks = torch.zeros(count, size, size, dtype=torch.uint8)
        kinds = torch.where(causes.confounder >= len(CONFOUNDERS), causes.confounder, -1)
        for number, site in enumerate(self.sites):
            for kind in kinds.unique().tolist():
                rows = ((causes.site_index == number) & (kinds == kind)).nonzero()[:, 0]
                if len(rows):
                    here = variant(site, SETTABLE[kind]) if kind >= 0 else site
                    part = causes.take(rows)
                    drawn, labels = render(_scenes(here, part), part.strengths, size)
                    images[rows] = (255 * drawn).round().to(torch.uint8)
                    masks[rows] = labels.to(torch.uint8)
        groups = tuple(
            f"{self.sites[s].name}/{i // IMAGES_PER_PATIENT:05d}"
            for s, i in zip(causes.site_index.tolist(), causes.index.tolist(), strict=True)
        )
        return RenderedSample(images, masks, causes, groups)

    def sample(
        self, count: int, world: World = "observational", seed: int = 0, size: int = 96
    ) -> RenderedSample:
        """Draw and render; see `draw` and `show`."""
        return self.show(self.draw(count, world, seed), size)

    def do(self, sample: RenderedSample, confounder: str, strength: float = 0.8) -> RenderedSample:
        """Return the exact counterfactual do(z): the same scenes under another confounder.

        What the edge had brought is taken away; further confounders, scene and lesion stay, save
        those that contradict the new one. Only near and far view move a mask.

        Args:
            sample: pictures of this world.
            confounder: one of ``SETTABLE``.
            strength: of it, in (0, 1]; palette, anatomy and vignette are there or not.
        """
        if confounder not in SETTABLE:
            raise unknown_name("confounder", confounder, SETTABLE)
        wanted = torch.full_like(sample.confounder, SETTABLE.index(confounder))
        cleared = _set(sample.causes.strengths, sample.confounder, torch.zeros(len(wanted)))
        force = torch.full((len(wanted),), float(strength))
        causes = replace(sample.causes, confounder=wanted, strengths=_set(cleared, wanted, force))
        return self.show(causes, sample.images.shape[-1])

    def _draw_site(self, number: int, index: Sequence[int], world: World, seed: int) -> Causes:
        site = self.sites[number]
        draws = uniforms(seed, index, f"{site.name}/scm", 8 + len(self.mediators))
        classes = sample_classes(seed, index, site)
        classes, exposure = self._hidden(classes, draws, world)
        anew = _quantile(site.class_prior, draws[:, 3])
        follows = draws[:, 4] < (0 if world == "interventional" else self.strength)
        own = (classes + 1) % len(CLASSES) if world == "reversed" else classes
        confounder = self._edge(torch.where(follows, own, anew), draws[:, 5])
        strengths = torch.zeros(len(index), len(CONFOUNDERS))
        if self.others:
            nobody = torch.full_like(classes, -1)
            strengths = sample_strengths(seed, index, site, nobody, 0.0, self.others)
            strengths = strengths * (draws[:, 6] < 0.5)[:, None]
        for turn, mediator in enumerate(self.mediators):
            caused = (classes == CLASSES.index(mediator.lesion)) & (
                draws[:, 8 + turn] < mediator.probability
            )
            which = torch.where(caused, SETTABLE.index(mediator.confounder), -1)
            strengths = _set(strengths, which, torch.full((len(index),), 0.7))
        strengths = _set(strengths, confounder, WEAKEST + (1 - WEAKEST) * draws[:, 7])
        where = torch.full_like(classes, number)
        return Causes(
            seed, torch.tensor(list(index)), where, classes, confounder, strengths, exposure
        )

    def _hidden(self, classes: Tensor, draws: Tensor, world: World) -> tuple[Tensor, Tensor]:
        """Let the unobserved cause U decide a share of the classes, and the exposure with them."""
        touched, u, shade = draws[:, 0] < self.unobserved, draws[:, 1] < 0.5, draws[:, 2]
        half = len(CLASSES) // 2
        moved = torch.where(u, classes % half, half + classes % (len(CLASSES) - half))
        exposure = torch.where(u, shade / 5, 1 - shade / 5)
        if world == "interventional":  # the picture's exposure no longer comes from U
            exposure = torch.where(draws[:, 5] < 0.5, shade / 5, 1 - shade / 5)
        return torch.where(touched, moved, classes), torch.where(touched, exposure, shade)

    def _edge(self, lesion: Tensor, draw: Tensor) -> Tensor:
        """Return the confounder of one of a class's edges, -1 where it has none."""
        chosen = torch.full_like(lesion, -1)
        for number, name in enumerate(CLASSES):
            found = [SETTABLE.index(e.confounder) for e in self.edges if e.lesion == name]
            if found:
                pick = torch.tensor(found)[(draw * len(found)).long().clamp_max(len(found) - 1)]
                chosen = torch.where(lesion == number, pick, chosen)
        return chosen


def _scenes(site: Site, causes: Causes) -> Scenes:
    scenes = Scenes.sample(causes.seed, causes.index.tolist(), site, causes.class_index)
    return scenes.with_number("exposure", causes.exposure)


def _set(strengths: Tensor, which: Tensor, force: Tensor) -> Tensor:
    """Set one confounder in each row, and clear those that contradict it; -1 sets none."""
    result = strengths.clone()
    rows = ((which >= 0) & (which < len(CONFOUNDERS))).nonzero()[:, 0]
    for one, other in (*EXCLUSIVE, *((b, a) for a, b in EXCLUSIVE)):
        there = rows[which[rows] == CONFOUNDERS.index(one)]
        there = there[force[there] > 0]
        result[there, CONFOUNDERS.index(other)] = 0
    result[rows, which[rows]] = force[rows]
    return result


def _quantile(prior: Sequence[float], draw: Tensor) -> Tensor:
    """Invert a cumulative distribution: uniforms (n,) to positions (n,)."""
    cumulative = torch.tensor(prior, dtype=torch.float64).cumsum(0)
    return torch.searchsorted(cumulative, draw.double(), right=True).clamp_max(len(prior) - 1)


def _edges(**pairs: str) -> tuple[Edge, ...]:
    return tuple(Edge(lesion, z) for lesion, names in pairs.items() for z in names.split())


WORLDS: dict[str, RenderedSCM] = {
    scm.name: scm
    for scm in (
        RenderedSCM(
            "renderable",
            _edges(polyp="nbi", tumor="dark", inflammation="white_light", nodule="near_view",
                   cyst="bright"),
        ),
        RenderedSCM(
            "mixed",
            _edges(polyp="nbi", tumor="dark", inflammation="palette white_light",
                   nodule="vignette", cyst="bright"),
        ),
        RenderedSCM(
            "unrenderable", _edges(polyp="palette", tumor="anatomy", nodule="vignette")
        ),
    )
}  # fmt: skip
"""All confounders can be drawn onto a finished picture; a third of the edges cannot; none can."""
