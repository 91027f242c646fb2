"""What dictionaries made from images have in common: mean features, and how often they occur."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor

from deconfound.dictionaries.base import ConfounderDictionary
from deconfound.errors import ConfigurationError, DataError, ShapeError, unknown_name
from deconfound.evaluating import evaluating
from deconfound.types import Confounders, VisualFeatures

Prior = Literal["frequency", "uniform"]
Batch = Mapping[str, Any]


class PrototypeDictionary(ConfounderDictionary):
    """Z = mean features of groups of images; P(z) = how often each group occurs.

    Empty, and refusing to be used, until `fit` has seen images. Embeddings and prior are buffers:
    what was fitted moves, saves and loads with the model, and no gradient changes it. Where the
    tower is trained, its features drift away from the prototypes: fit again.

    Features are brought to unit length before they are averaged, as text embeddings are, so that
    no image counts for more because the tower gave it a longer vector. A mean of unit vectors is at
    most as long as they are.

    Args:
        dim: d, the width of the joint space.
        prior: ``"frequency"``: P(z) is the share of the fitted images; ``"uniform"``: every
            prototype that occurs counts alike.
        groups: names of the M groups, where prototypes come from a state dict; none before a fit.

    Raises:
        UnknownNameError: an unknown ``prior``.
        ConfigurationError: in ``forward``, where nothing has been fitted.
    """

    embeddings: Tensor
    prior: Tensor

    def __init__(self, dim: int, prior: Prior = "frequency", groups: Sequence[str] = ()) -> None:
        super().__init__()
        if prior not in get_args(Prior):
            raise unknown_name("prior of a prototype dictionary", str(prior), get_args(Prior))
        self.dim = dim
        self.prior_kind: Prior = prior
        self.names = tuple(groups)
        self.register_buffer("embeddings", torch.full((len(groups), dim), torch.nan))
        self.register_buffer("prior", torch.full((len(groups),), torch.nan))

    @abstractmethod
    def fit(self, model: Any, loader: Iterable[Batch]) -> Self:
        """Make the prototypes from images, see `FitsData.fit`."""

    def forward(self) -> Confounders:
        """Return the prototypes with their prior."""
        if not self.names:
            raise ConfigurationError(
                f"{type(self).__name__} holds no prototypes yet; "
                f"call model.dictionary.fit(model, loader) before the model is used"
            )
        return Confounders(self.embeddings, self.prior, self.names)

    def options(self) -> dict[str, Any]:
        """Return dim, prior and groups; the prototypes are in the state dict."""
        return {"dim": self.dim, "prior": self.prior_kind, "groups": list(self.names)}

    def hold(self, embeddings: Tensor, counts: Tensor, names: Sequence[str]) -> Self:
        """Keep prototypes (M, d) of groups that held ``counts`` (M,) images, not all zero.

        A group that never occurred gets P(z) = 0, so that no estimator weighs it.
        """
        occurs = counts > 0
        weights = counts if self.prior_kind == "frequency" else occurs
        self.embeddings = embeddings.to(self.embeddings)
        self.prior = (weights.double() / weights.sum()).to(self.prior)
        self.names = tuple(names)
        return self

    def observe(
        self, model: Any, loader: Iterable[Batch], *needed: str
    ) -> Iterator[tuple[VisualFeatures, Batch]]:
        """Yield what the model's own tower says of each batch, and the batch.

        Nothing is changed and no gradient kept: the tower runs in evaluation, and is as it was
        after the last batch.

        Args:
            model: a `CausalSegmenter`.
            loader: batches with ``"image"`` (B, 3, H, W), RGB in [0, 1].
            needed: further entries that a batch must have.

        Raises:
            DataError: a batch that lacks an entry.
            ShapeError: a tower whose joint space is not d wide.
        """
        if model.tower.embed_dim != self.dim:
            raise ShapeError(
                f"{type(self).__name__}: expected a tower whose joint space is {self.dim} wide, "
                f"found {model.tower.embed_dim}"
            )
        device = next(model.parameters()).device
        with evaluating(model.tower):
            for batch in loader:
                _check_entries(batch, ("image", *needed))
                with torch.no_grad():
                    visual = model.tower(model.normalize(batch["image"].to(device)))
                yield visual, batch


def _check_entries(batch: Batch, needed: Sequence[str]) -> None:
    missing = [key for key in needed if key not in batch]
    if missing:
        raise DataError(
            f"to fit a dictionary, a batch needs {' and '.join(needed)}, "
            f"found {', '.join(batch) or 'nothing'}; add {' and '.join(missing)}"
        )
