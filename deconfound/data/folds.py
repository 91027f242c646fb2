"""Who trains, validates, is held out: by site, then by patient or sequence, never by frame."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from deconfound.data.samples import Sample, Site, group_ids
from deconfound.errors import ConfigurationError, DataError, unknown_name


@dataclass(frozen=True, slots=True)
class Fold:
    """One round of leave-one-site-out.

    Attributes:
        training: the sites that are seen; validation is taken from these alone.
        target: the site that is not.
    """

    training: tuple[Site, ...]
    target: Site


def leave_one_site_out(sites: Sequence[Site], holdout: str) -> Fold:
    """Hold one site out.

    Args:
        sites: at least two, each with pairs and a name of its own.
        holdout: name of the target.

    Raises:
        UnknownNameError: no site is called so; the near names are listed.
        DataError: fewer than two sites, an empty one, or one name for two.
    """
    names = [site.name for site in sites]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two sites are called {name}; rename or remove one")
    if holdout not in names:
        raise unknown_name("site", holdout, names)
    if len(sites) < 2:
        raise DataError(
            f"leaving a site out needs at least two sites, found only {holdout}; add another one"
        )
    for site in sites:
        if not site.samples:
            raise DataError(f"site {site.name} has no usable pair; see `sites`, or leave it out")
    training = tuple(site for site in sites if site.name != holdout)
    return Fold(training, sites[names.index(holdout)])


def split_samples(
    samples: Sequence[Sample], share: float = 0.15, seed: int = 0
) -> tuple[list[Sample], list[Sample]]:
    """Set a share of every training site's groups aside for validation.

    Args:
        samples: of the training sites.
        share: wanted share of the frames, 0 < share < 1.
        seed: another seed, another choice.

    Returns:
        Training and validation samples, each in the order they came in.

    Raises:
        DataError: as `split_by_group`.
    """
    train, held = split_by_group(group_ids(samples), share, seed, [s.site for s in samples])
    return [samples[i] for i in train], [samples[i] for i in held]


def split_by_group(
    groups: Sequence[Hashable | None],
    share: float = 0.15,
    seed: int = 0,
    strata: Sequence[Hashable] | None = None,
) -> tuple[list[int], list[int]]:
    """Split indices so that no group is on both sides.

    Groups are taken in the order of a hash of their name and the seed, so the choice depends
    neither on the order of the files nor on a random generator's version. Where groups are large
    the share is only approached.

    Args:
        groups: the group of each item; None is a group of its own.
        share: wanted share of validation in the number of items, 0 < share < 1.
        seed: another seed, another choice.
        strata: the site of each item; the share is then taken from every site that has two groups
            or more.

    Returns:
        Sorted indices for training and for validation; both are non-empty.

    Raises:
        ConfigurationError: a share outside (0, 1).
        DataError: nowhere two groups to tell apart, so that one side would be empty.
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"the validation share must lie between 0 and 1, found {share}")
    members = _members(groups)
    by_stratum: dict[Hashable, list[Hashable]] = {}
    for group, indices in members.items():
        stratum = strata[indices[0]] if strata is not None else None
        by_stratum.setdefault(stratum, []).append(group)
    chosen = {g for names in by_stratum.values() for g in _choose(names, members, share, seed)}
    if not chosen:
        raise DataError(
            f"a grouped validation split needs at least two patients or sequences in one site, "
            f"found {len(members)} in {len(by_stratum)}; add data, or name the groups"
        )
    held = sorted(index for group in chosen for index in members[group])
    return sorted(set(range(len(groups))) - set(held)), held


def _members(groups: Sequence[Hashable | None]) -> dict[Hashable, list[int]]:
    """Indices by group; an item without a group gets a key that no group can have."""
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        key = ("group", group) if group is not None else ("item", index)
        members.setdefault(key, []).append(index)
    return members


def _choose(
    names: Sequence[Hashable], members: dict[Hashable, list[int]], share: float, seed: int
) -> list[Hashable]:
    """Groups of one stratum for validation: as near to the share as the order allows.

    The first group in the order always trains, and at least one validates.
    """
    order = sorted(names, key=lambda name: _rank(name, seed))[1:]
    wanted = share * sum(len(members[name]) for name in names)
    chosen: list[Hashable] = []
    size = 0
    for name in order:
        grown = size + len(members[name])
        if abs(grown - wanted) < abs(size - wanted):
            chosen.append(name)
            size = grown
    return chosen or sorted(order, key=lambda name: len(members[name]))[:1]


def _rank(name: Hashable, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name!r}".encode()).hexdigest()
