"""Confounders without names: clusters of whole pictures (IBMIL)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from deconfound.dictionaries.base import dictionaries
from deconfound.dictionaries.prototypes import Batch, Prior, PrototypeDictionary
from deconfound.errors import ConfigurationError, DataError


@dictionaries.register("kmeans")
class KMeansDictionary(PrototypeDictionary):
    """Z = the centres of k-means over image embeddings, P(z) = the share of each cluster.

    The dictionary of IBMIL (arXiv 2303.06873), which clusters what a first, confounded training
    makes of a slide. Here it is the vision tower's pooled embedding, which no training on these
    data has bent. By construction, with the frequencies as prior,

        Σ_z P(z) z = the mean embedding of the fitted images.

    A cluster is whatever varies most among the pictures. Where that is how they were taken, the
    clusters are sites and lamps; where it is the lesion, they are lesions, and adjusting for them
    takes away what is to be told. Nothing in the dictionary says which: look at the pictures.

    Args:
        dim: d, the width of the joint space.
        clusters: M ≥ 1.
        prior: see `PrototypeDictionary`.
        seed: of the first centres; the same images and seed give the same dictionary.
        groups: see `PrototypeDictionary`.

    Raises:
        ConfigurationError: fewer than one cluster, or groups that are not one per cluster.
    """

    def __init__(
        self,
        dim: int,
        clusters: int = 12,
        prior: Prior = "frequency",
        seed: int = 0,
        groups: Sequence[str] = (),
    ) -> None:
        if clusters < 1 or len(groups) not in (0, clusters):
            raise ConfigurationError(
                f"k-means needs one cluster or more and a name for each or none, "
                f"found clusters={clusters} and {len(groups)} names"
            )
        super().__init__(dim, prior, groups)
        self.clusters = clusters
        self.seed = seed

    def fit(self, model: Any, loader: Iterable[Batch]) -> Self:
        """Cluster the images.

        Args:
            model: a `CausalSegmenter`.
            loader: batches with ``image`` (B, 3, H, W) in [0, 1].

        Raises:
            DataError: fewer different images than clusters, or a batch without images.
            ShapeError: a tower whose joint space is not d wide.
        """
        seen = [torch.zeros(0, self.dim, dtype=torch.float64)]
        for visual, _ in self.observe(model, loader):
            seen.append(F.normalize(visual.pooled, dim=-1).cpu().double())
        features = torch.cat(seen)
        self._require(len(features))
        members = F.one_hot(self._labels(features), self.clusters).double()
        counts = members.sum(dim=0)
        centres = members.T @ features / counts.clamp_min(1)[:, None]
        self._require(_different(centres[counts > 0]))
        return self.hold(centres, counts, [f"cluster {m + 1}" for m in range(self.clusters)])

    def _require(self, different: int) -> None:
        if different < self.clusters:
            raise DataError(
                f"k-means: expected at least {self.clusters} different images, one per cluster, "
                f"found {different}; give more images or fewer clusters"
            )

    def _labels(self, features: Tensor) -> Tensor:
        """Return the cluster (n,) of each row (n, d): the best of ten starts, run to their end."""
        from sklearn.cluster import KMeans

        search = KMeans(self.clusters, n_init=10, tol=0, random_state=self.seed)
        return torch.from_numpy(search.fit(features.numpy()).labels_).long()

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments and, once fitted, the groups."""
        return {**super().options(), "clusters": self.clusters, "seed": self.seed}


def _different(centres: Tensor) -> int:
    """Count centres (m, d) apart from each other by more than what threads differ in rounding."""
    same = torch.cdist(centres, centres) < 1e-4
    return int((~same.tril(-1).any(dim=1)).sum())
