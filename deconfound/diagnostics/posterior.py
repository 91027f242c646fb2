"""Who shows which confounder: the dictionary's posterior by site, and where overlap fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.errors import ConfigurationError, ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class SitePosterior:
    """Mean P(z|x) over the images of each site.

    Attributes:
        sites: S names.
        names: the M confounders.
        posterior: (S, M), rows sum to one; not-a-number for a site without images.
        images: (S,), how many there were.
    """

    sites: tuple[str, ...]
    names: tuple[str, ...]
    posterior: Tensor
    images: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class ClassOverlap:
    """How many images of each class there are under each confounder.

    Attributes:
        class_names: K names.
        names: the M confounders.
        images: (K,), how many there are of each class.
        found: (K, M), posterior mass of each confounder over the images of each class.
        expected: (K, M), what it would be, were each confounder as frequent as P(z) says.
        judged: (K, M), true where enough is expected for a lack of it to mean something.
        thin: (K, M), true where a judged cell holds too little to adjust in.
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    images: Tensor
    found: Tensor
    expected: Tensor
    judged: Tensor
    thin: Tensor

    @property
    def share(self) -> Tensor:
        """(K, M), found over expected; infinite where nothing is expected."""
        return torch.where(self.expected > 0, self.found / self.expected, torch.inf)

    @property
    def warnings(self) -> tuple[OverlapWarning, ...]:
        """The thin cells, the emptiest first, by share of what was expected."""
        share, expected, found = (x.tolist() for x in (self.share, self.expected, self.found))
        places = sorted(self.thin.nonzero().tolist(), key=lambda cell: share[cell[0]][cell[1]])
        return tuple(
            OverlapWarning(self.class_names[k], self.names[m], expected[k][m], found[k][m])
            for k, m in places
        )


@dataclass(frozen=True, slots=True)
class OverlapWarning:
    """A class that is (almost) never seen under a confounder.

    Attributes:
        class_name: of the lesion.
        confounder: its name.
        expected: images of the class under the confounder, were it as frequent as P(z) says.
        found: posterior mass of the confounder over the images of the class.
    """

    class_name: str
    confounder: str
    expected: float
    found: float

    def __str__(self) -> str:
        """Return the warning as a sentence."""
        return (
            f"{self.class_name} under {self.confounder}: expected about {self.expected:.1f} "
            f"images, found {self.found:.1f}"
        )


def site_posterior(
    posterior: Tensor, site_index: Tensor, sites: Sequence[str], names: Sequence[str]
) -> SitePosterior:
    """Average the posterior of every image over its site.

    Rows that differ are the shift between sites, in the words of the dictionary.

    Args:
        posterior: P(z|x), (n, M).
        site_index: (n,), 0 to S - 1.
        sites: S names.
        names: M names.

    Raises:
        ShapeError: a posterior that is not (n, M) with n sites and M names.
        ConfigurationError: a site index out of its range.
    """
    _check(posterior, site_index, names, "site")
    of_site = _one_hot(site_index, len(sites), "site")
    images = of_site.sum(dim=0)
    mean = of_site.T @ posterior.double() / images[:, None]
    return SitePosterior(tuple(sites), tuple(names), mean, images.long())


def class_overlap(
    posterior: Tensor,
    class_index: Tensor,
    class_names: Sequence[str],
    names: Sequence[str],
    prior: Tensor,
    least: float = 0.1,
    fewest: float = 3.0,
) -> ClassOverlap:
    """Count the images of every class under every confounder.

    The sum Σ_z P(Y|F, z) P(z) asks about every class under every confounder with P(z) > 0
    (positivity). Where the data hold almost no such image, any estimator extrapolates there.

    Args:
        posterior: P(z|x), (n, M).
        class_index: (n,), 0 to K - 1; -1 (unknown) is left out.
        class_names: K names.
        names: M names.
        prior: P(z), (M,), the distribution that is adjusted to.
        least: a cell is thin below this share of what P(z) expects, in (0, 1].
        fewest: cells in which fewer images are expected are not judged: at 3, chance alone leaves
            one in twenty empty. A class without images has nothing to expect.

    Raises:
        ShapeError: a posterior that is not (n, M) with n classes and M names.
        ConfigurationError: a class index or a share out of its range.
    """
    _check(posterior, class_index, names, "class")
    if not 0 < least <= 1:
        raise ConfigurationError(f"overlap: least is a share in (0, 1], found {least}")
    known = class_index >= 0
    of_class = _one_hot(class_index[known], len(class_names), "class")
    found = of_class.T @ posterior[known].double()
    expected = of_class.sum(dim=0)[:, None] * prior.double()
    judged = expected >= max(fewest, 1e-12)
    thin = judged & (found < least * expected)
    images = of_class.sum(dim=0).long()
    return ClassOverlap(tuple(class_names), tuple(names), images, found, expected, judged, thin)


def _one_hot(index: Tensor, count: int, what: str) -> Tensor:
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < count:
        raise ConfigurationError(
            f"posterior: expected {what} indices from 0 to {count - 1}, found "
            f"{int(index.min())} to {int(index.max())}"
        )
    return F.one_hot(index.long(), count).double()


def _check(posterior: Tensor, index: Tensor, names: Sequence[str], what: str) -> None:
    if posterior.ndim != 2 or posterior.shape != (len(index), len(names)):
        raise ShapeError(
            f"posterior: expected ({len(index)}, {len(names)}), one row for each {what} index and "
            f"one column for each name, found {tuple(posterior.shape)}"
        )
