"""A structural causal model over rendered pictures: who causes what is data.

::

    site ──► class Y ──────────► scene ───► picture X, mask
      │        │ strength                      ▲
      └────────┴──► confounder Z ──────────────┤
    U (unobserved) ──► class, exposure ────────┤
    class ──► mediator (an effect of it) ──────┘

With probability ``strength`` the confounder is the one that goes with the picture's class; else
it is the one that goes with a class drawn anew from the site's own P(k). P(z | site) is therefore
the same at every strength, and under do(F): only its dependence on the class differs.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import torch

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.simulation.names import CONFOUNDERS
from deconfound.simulation.render import render
from deconfound.simulation.scenes import IMAGES_PER_PATIENT, Scenes
from deconfound.simulation.scm.causes import Causes
from deconfound.simulation.scm.discrete import World
from deconfound.simulation.scm.drawing import draw_site
from deconfound.simulation.scm.pictures import RenderedSample
from deconfound.simulation.scm.structure import Structure
from deconfound.simulation.scm.variants import SETTABLE, variant
from deconfound.simulation.sites import Site


class RenderedSCM(Structure):
    """A world of pictures; see `Structure` for its attributes and errors."""

    def draw(self, count: int, world: World = "observational", seed: int = 0) -> Causes:
        """Draw the causes of pictures; nothing is rendered.

        Args:
            count: n, divided evenly among the sites.
            world: ``observational``: the confounder follows the class as ``strength`` says.
                ``interventional``: as do(F) has it, with the same P(z), whatever the class.
                ``reversed``: it follows the class in the same measure, but another one's.
            seed: the same seed gives the same lesions in the same scenes in every world.

        Raises:
            UnknownNameError: a world that does not exist.
            ConfigurationError: fewer pictures than sites.
        """
        if world not in get_args(World):
            raise unknown_name("world", str(world), get_args(World))
        places = len(self.sites)
        if count < places:
            raise ConfigurationError(
                f"SCM {self.name}: expected at least one picture for each of {places} sites, "
                f"found {count}; ask for more"
            )
        bounds = [round(count * number / places) for number in range(places + 1)]
        return Causes.join(
            [
                draw_site(self, number, range(stop - start), world, seed)
                for number, (start, stop) in enumerate(itertools.pairwise(bounds))
            ]
        )

    def show(self, causes: Causes, size: int = 96) -> RenderedSample:
        """Render what the causes decide; pictures are S = ``size`` pixels wide."""
        count = len(causes.index)
        images = torch.zeros(count, 3, size, size, dtype=torch.uint8)
        masks = torch.zeros(count, size, size, dtype=torch.uint8)
        strengths = causes.strengths
        # One call of the renderer for all pictures of one place: a site, or a variant of it.
        kinds = torch.where(causes.confounder >= len(CONFOUNDERS), causes.confounder, -1)
        for number, kind in torch.stack([causes.site_index, kinds]).unique(dim=1).T.tolist():
            rows = ((causes.site_index == number) & (kinds == kind)).nonzero()[:, 0]
            site = self.sites[number]
            here = variant(site, SETTABLE[kind]) if kind >= 0 else site
            drawn, labels = render(_scenes(here, causes.take(rows)), strengths[rows], size)
            images[rows] = (255 * drawn).round().to(torch.uint8)
            masks[rows] = labels.to(torch.uint8)
        groups = tuple(
            f"{self.sites[number].name}/{index // IMAGES_PER_PATIENT:05d}"
            for number, index in torch.stack([causes.site_index, causes.index], dim=1).tolist()
        )
        return RenderedSample(images, masks, causes, groups)

    def sample(
        self, count: int, world: World = "observational", seed: int = 0, size: int = 96
    ) -> RenderedSample:
        """Draw and render; see `draw` and `show`."""
        return self.show(self.draw(count, world, seed), size)

    def do(self, sample: RenderedSample, confounder: str, strength: float = 0.8) -> RenderedSample:
        """Return the exact counterfactual do(z): the same scenes under another confounder.

        It stands where the one stood that an edge had brought. Lesion, scene and background stay,
        save what contradicts the new one. Near and far view move a mask, and a vignette cuts it
        where the scope no longer sees; all others leave it exactly as it was.

        Args:
            sample: pictures of this world.
            confounder: one of ``SETTABLE``.
            strength: of it, 0 (none stands there) to 1; palette, anatomy and vignette are there
                at any strength above 0.

        Raises:
            UnknownNameError: a confounder that does not exist.
            ConfigurationError: a strength outside [0, 1].
        """
        if confounder not in SETTABLE:
            raise unknown_name("confounder", confounder, SETTABLE)
        if not 0 <= strength <= 1:
            raise ConfigurationError(
                f"do({confounder}): strength must lie in [0, 1], found {strength}; change it"
            )
        which = SETTABLE.index(confounder) if strength else -1
        causes = replace(
            sample.causes,
            confounder=torch.full_like(sample.causes.confounder, which),
            force=torch.full_like(sample.causes.force, strength),
        )
        return self.show(causes, sample.images.shape[-1])


def _scenes(site: Site, causes: Causes) -> Scenes:
    scenes = Scenes.sample(causes.seed, causes.index.tolist(), site, causes.class_index)
    return scenes.with_number("exposure", causes.exposure)
