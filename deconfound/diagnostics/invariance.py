"""Does F_ca still know the hospital? Independence of features and site, given the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deconfound.diagnostics.ridge import RidgeProbe
from deconfound.diagnostics.shuffling import block_labels, shuffle_within
from deconfound.errors import DataError
from deconfound.extras import missing_extra

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class ClassProbe:
    """How well the site is found on the images of one class.

    Attributes:
        class_index: of the class; -1 where it is unknown.
        accuracy: share of its images.
        chance: its mean where sites are shuffled within each class.
        images: how many there are.
    """

    class_index: int
    accuracy: float
    chance: float
    images: int


@dataclass(frozen=True, slots=True)
class SiteProbe:
    """How well a linear classifier finds the site.

    Attributes:
        accuracy: cross-validated, share of images.
        chance: its mean where sites are shuffled within each class: what the class alone tells.
        p_value: of "site and features are independent given the class", one-sided.
        images: n
        grouped: whether patients were kept together. Where they could not be, a probe that knows
            patients looks like one that knows sites.
        by_class: the same for each class; of a few images, a rough idea.
    """

    accuracy: float
    chance: float
    p_value: float
    images: int
    grouped: bool
    by_class: tuple[ClassProbe, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelTest:
    """A kernel conditional-independence test.

    Attributes:
        statistic: the test's own.
        p_value: of "site and features are independent given the class".
        images: n
        components: principal components of the features that were tested.
    """

    statistic: float
    p_value: float
    images: int
    components: int


def site_probe(
    features: Array,
    site_index: Array,
    class_index: Array,
    groups: Sequence[str] | None = None,
    *,
    folds: int = 5,
    permutations: int = 199,
    seed: int = 0,
) -> SiteProbe:
    """Probe features for the site, linearly and out of sample.

    The null distribution shuffles sites among images of the same class, so what class and site have
    to do with each other is in the chance level and not in the verdict. Where groups are given,
    images of one patient stay on one side of every split and are shuffled as one.

    Args:
        features: (n, d), such as F_ca averaged over regions.
        site_index: (n,), two sites or more.
        class_index: (n,); any integers, -1 is one more class.
        groups: n patients; None takes each image for a group of its own.
        folds: of the cross-validation, 2 or more.
        permutations: the smallest p-value is 1 / (1 + permutations).
        seed: of splits and shuffles.

    Raises:
        DataError: lengths that differ, a single site, or fewer groups of a site than folds.
    """
    features, site_index, class_index = _checked(features, site_index, class_index)
    units = np.arange(len(features)) if groups is None else _codes(groups)
    _require_groups(fewest_groups(site_index, units), folds)
    draw = np.random.default_rng(seed)
    probe = RidgeProbe(features, draw.permutation(units.max() + 1)[units] % folds)
    blocks = block_labels(site_index, class_index, units)
    shuffles = [shuffle_within(site_index, class_index, blocks, draw) for _ in range(permutations)]
    right, *null = (probe.predict(sites) == sites for sites in (site_index, *shuffles))
    found = float(right.mean())
    p_value = (1 + sum(one.mean() >= found for one in null)) / (1 + permutations)
    by_chance = np.mean(null, axis=0)
    return SiteProbe(
        found,
        float(by_chance.mean()),
        float(p_value),
        len(features),
        groups is not None,
        _by_class(right, by_chance, class_index),
    )


def kernel_independence(
    features: Array, site_index: Array, class_index: Array, components: int = 8
) -> KernelTest:
    """Test whether features and site are independent given the class, of any shape.

    KCI, Zhang et al., "Kernel-based conditional independence test", UAI 2011, as in causal-learn;
    with a single class, its unconditional form. It takes images as independent draws: give one per
    patient where a patient has many. Costs n³; a few hundred images are plenty.

    Args:
        features: (n, d).
        site_index: (n,), two sites or more.
        class_index: (n,).
        components: principal components kept, as kernels are blind in many dimensions.

    Raises:
        ConfigurationError: causal-learn is not installed.
        DataError: lengths that differ, or a single site.
    """
    features, site_index, class_index = _checked(features, site_index, class_index)
    try:
        from causallearn.utils.KCI.KCI import KCI_CInd, KCI_UInd
    except ImportError as error:
        raise missing_extra(
            "causal-learn", "the kernel independence test", extra="diagnostics"
        ) from error
    x, sites, classes = (
        _principal(features, components),
        _columns(site_index),
        _columns(class_index),
    )
    if not x.shape[1]:  # features that are all the same depend on nothing
        return KernelTest(0.0, 1.0, len(x), 0)
    if classes.shape[1]:
        p_value, statistic = KCI_CInd().compute_pvalue(x, sites, classes)
    else:
        p_value, statistic = KCI_UInd().compute_pvalue(x, sites)
    return KernelTest(float(statistic), float(p_value), len(x), x.shape[1])


def fewest_groups(site_index: Array, groups: Sequence[str] | Array) -> int:
    """Return how many groups the site with the fewest of them has."""
    labels = np.asarray(groups)
    return min(len(np.unique(labels[site_index == site])) for site in np.unique(site_index))


def _checked(features: Array, sites: Array, classes: Array) -> tuple[Array, Array, Array]:
    features = np.asarray(features, dtype=np.float64)
    sites, classes = np.asarray(sites), np.asarray(classes)
    if features.ndim != 2 or not len(features) == len(sites) == len(classes):
        raise DataError(
            f"invariance: expected features (n, d) with n sites and n classes, found "
            f"{features.shape}, {len(sites)} and {len(classes)}"
        )
    if len(np.unique(sites)) < 2:
        raise DataError("invariance: expected images of two sites or more, found one; add a site")
    return features, sites, classes


def _by_class(right: Array, by_chance: Array, class_index: Array) -> tuple[ClassProbe, ...]:
    """Average over the images of each class: whether (n,) are right, and how often by chance."""
    return tuple(
        ClassProbe(
            int(k), float(right[rows].mean()), float(by_chance[rows].mean()), int(rows.sum())
        )
        for k in np.unique(class_index)
        for rows in (class_index == k,)
    )


def _codes(labels: Sequence[str]) -> Array:
    return np.unique(np.asarray(labels), return_inverse=True)[1]


def _require_groups(fewest: int, folds: int) -> None:
    if folds < 2 or fewest < folds:
        raise DataError(
            f"site probe: expected 2 folds or more and as many groups of every site, found "
            f"{folds} folds and a site with {fewest}; lower `folds` or add images"
        )


def _principal(features: Array, components: int) -> Array:
    """Return the leading principal components that vary at all, (n, ≤ components)."""
    centred = features - features.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = s[:components] > 1e-9 * max(s[0], 1e-300)
    return u[:, :components][:, kept] * s[:components][kept]


def _columns(labels: Array) -> Array:
    """Return indicator columns, all but the last value's: none where there is one value."""
    values = np.unique(labels)[:-1]
    return (labels[:, None] == values).astype(np.float64)
