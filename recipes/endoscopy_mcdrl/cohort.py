"""Who trains, who validates, who is held out: from rendered sites or from folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from deconfound import simulation
from deconfound.data import (
    BinaryMask,
    ClassMask,
    FolderDataset,
    JointAugment,
    Sample,
    leave_one_site_out,
    split_by_group,
    split_samples,
)
from deconfound.data.memory import MemoryDataset
from deconfound.errors import DataError
from deconfound.evenly import evenly
from deconfound.packs import PromptPack
from deconfound.spelling import spelled
from deconfound.training.reading import Watch
from deconfound.training.rendered import as_memory

from .chosen_sites import Named, chosen_sites
from .config import RecipeConfig
from .console import beginning_at
from .readers import Ignored, survey

ImageSet = FolderDataset | MemoryDataset


@dataclass(frozen=True)
class Cohort:
    """One round of leave-one-site-out, ready to train on.

    Attributes:
        train: images of the training sites.
        validation: held-out patients of the same sites; the epoch is chosen on these. For an
            oracle, the target.
        target: the site that training never sees.
        holdout: its name.
        sites: names of all sites, in the order of site indices.
        source: where the images come from, in one sentence.
        ignored: folders beside the sites that were not read.
    """

    train: ImageSet
    validation: ImageSet
    target: ImageSet
    holdout: str
    sites: tuple[str, ...]
    source: str
    ignored: Ignored = ()

    @property
    def training_sites(self) -> tuple[str, ...]:
        """The sites that training sees."""
        return tuple(site for site in self.sites if site != self.holdout)


def assemble(config: RecipeConfig, pack: PromptPack, progress: Watch) -> Cohort:
    """Render or read every image of the run.

    Args:
        config: what to use; without ``data``, the five rendered sites.
        pack: its classes name the lesions.
        progress: called with how many images are ready, and of how many.

    Raises:
        DeconfoundError: sites that cannot be used, named in one sentence.
    """
    read = _rendered if config.data is None else _from_disk
    cohort = read(config, pack, progress)
    return replace(cohort, validation=cohort.target) if config.oracle else cohort


def target_alone(
    config: RecipeConfig, pack: PromptPack, progress: Watch
) -> tuple[ImageSet, str, tuple[str, ...], Ignored]:
    """Render or read one site, to evaluate on it; nothing has to be left to train on.

    Returns:
        Its images, its name, the names of all sites there are, and folders that were not read.
    """
    if config.data is None:
        _check_classes(pack)
        names = tuple(site.name for site in simulation.SITES)
        chosen = _held_out(config, simulation.SITES)
        images = _render(simulation.SITES[names.index(chosen)], names.index(chosen), config)
        progress(len(images), len(images))
        return images, chosen, names, ()
    found = survey(config.data, config.bgr)
    names = tuple(site.name for site in found.sites)
    chosen = _held_out(config, found.sites)
    site = found.sites[names.index(chosen)]
    site.require_sound()
    stored = _stored(site.samples, config, pack, names)
    stored.preload(progress)
    return stored, chosen, names, found.ignored


def _rendered(config: RecipeConfig, pack: PromptPack, progress: Watch) -> Cohort:
    _check_classes(pack)
    sites = {site.name: site for site in chosen_sites(simulation.SITES, config.sites)}
    holdout = _held_out(config, list(sites.values()))
    total, images = config.images_per_site, {}
    for done, (name, site) in enumerate(sites.items(), 1):
        images[name] = _render(site, list(sites).index(name), config)
        progress(done * total, len(sites) * total)
    seen = _join([images[name] for name in sites if name != holdout])
    strata = seen.site_index.tolist()
    chosen, held = split_by_group(seen.groups or (), config.validation_share, config.seed, strata)
    return Cohort(
        train=seen.take(chosen, _augment(config)),
        validation=seen.take(held),
        target=images[holdout],
        holdout=holdout,
        sites=tuple(sites),
        source=(
            f"rendered endoscopy, {len(sites)} sites of {total} images, "
            f"class–confounder correlation {config.correlation:g}"
        ),
    )


def _render(site: simulation.Site, site_index: int, config: RecipeConfig) -> MemoryDataset:
    """Return a site's images, with the patient of each."""
    drawn = simulation.RenderedSite(
        site,
        size=config.image_size,
        length=config.images_per_site,
        seed=config.seed if config.scenes is None else config.scenes,
        correlation=config.correlation,
        site_index=site_index,
    )
    return as_memory(drawn, config.task == "multiclass")


def _join(sets: Sequence[MemoryDataset]) -> MemoryDataset:
    return MemoryDataset(
        torch.cat([one.images for one in sets]),
        torch.cat([one.masks for one in sets]),
        torch.cat([one.class_index for one in sets]),
        torch.cat([one.site_index for one in sets]),
        groups=[group for one in sets for group in one.groups or ()],
    )


def _from_disk(config: RecipeConfig, pack: PromptPack, progress: Watch) -> Cohort:
    assert config.data is not None
    found = survey(config.data, config.bgr)
    sites = chosen_sites(found.sites, config.sites)
    for site in sites:
        site.require_sound()
    names = tuple(site.name for site in sites)
    fold = leave_one_site_out(sites, _held_out(config, sites))
    samples = [
        sample for site in fold.training for sample in spread(site.samples, config.frames_per_site)
    ]
    train, validation = split_samples(samples, config.validation_share, config.seed)

    def dataset(of: Sequence[Sample], augment: JointAugment | None = None) -> FolderDataset:
        return _stored(of, config, pack, names, augment)

    parts = (dataset(train, _augment(config)), dataset(validation), dataset(fold.target.samples))
    total, done = sum(len(part) for part in parts), 0
    for part in parts:
        part.preload(beginning_at(progress, done, total))
        done += len(part)
    counts = ", ".join(f"{site.name} {len(site.samples)}" for site in sites)
    source = f"{config.data} ({counts})"
    return Cohort(*parts, fold.target.name, names, source, found.ignored)


def spread(samples: Sequence[Sample], most: int | None) -> Sequence[Sample]:
    """Return at most that many of a site's samples, in even steps from the first to the last."""
    return samples if most is None else [samples[i] for i in evenly(len(samples), most)]


def _stored(
    samples: Sequence[Sample],
    config: RecipeConfig,
    pack: PromptPack,
    sites: Sequence[str],
    augment: JointAugment | None = None,
) -> FolderDataset:
    """Return images from disk.

    In the multi-class task, masks of no named class hold 0 to K, unless their reader knows better.
    """
    samples = _spelled(samples, pack)
    multiclass = config.task == "multiclass"
    if multiclass:
        usual, rule = BinaryMask(), ClassMask(len(pack.class_names))
        samples = [
            s if s.class_name or s.mask_rule != usual else replace(s, mask_rule=rule)
            for s in samples
        ]
    return FolderDataset(samples, config.image_size, pack.class_names, sites, augment, multiclass)


def _spelled(samples: Sequence[Sample], pack: PromptPack) -> list[Sample]:
    """Return samples whose classes are spelled as in the pack, which "Flat_Polyp" is not.

    Raises:
        DataError: a lesion that the pack has no name for.
    """
    names = {_letters(name): name for name in pack.class_names}
    for sample in samples:
        if sample.class_name is not None and _letters(sample.class_name) not in names:
            raise DataError(
                f"{sample.image}: expected a class of the pack {pack.name} "
                f"({', '.join(pack.class_names)}), found {sample.class_name!r}; give the pack that "
                f"names it with --pack, or change the name in one of the two"
            )
    return [
        s if s.class_name is None else replace(s, class_name=names[_letters(s.class_name)])
        for s in samples
    ]


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip()).casefold()


def _check_classes(pack: PromptPack) -> None:
    if tuple(pack.class_names) != simulation.CLASSES:
        raise DataError(
            f"the rendered sites show {', '.join(simulation.CLASSES)}, but the pack {pack.name} "
            f"names {', '.join(pack.class_names)}; give your own images with --data"
        )


def _augment(config: RecipeConfig) -> JointAugment | None:
    return JointAugment(config.seed) if config.augment else None


def _held_out(config: RecipeConfig, sites: Sequence[Named]) -> str:
    """Return which of the sites is held out; by default the last one that takes part."""
    if config.holdout:
        return spelled(config.holdout, [site.name for site in sites])
    return chosen_sites(sites, config.sites)[-1].name
