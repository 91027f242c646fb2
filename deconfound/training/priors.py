"""P(z) from images: how often each confounder occurs among those that are trained on."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from deconfound.dictionaries import TextPromptDictionary
from deconfound.errors import ConfigurationError
from deconfound.estimators.weighting import read_posterior, shift_prior
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.training.loading import ImageDataset
from deconfound.training.reading import Watch, embed, named_confounders


def fit_prior(model: Any, images: ImageDataset, progress: Watch | None = None) -> Tensor:
    """Put how often each confounder occurs among images in the place of the dictionary's P(z).

    The vision-language model reads P(z|x) in every image, zero-shot, and
    :func:`~deconfound.estimators.weighting.shift_prior` finds the prior of highest likelihood. It
    is as right as the reading is calibrated; where confounders are hardly told apart, it gives the
    likeliest of them most. Comes before :func:`~deconfound.training.fitting.fit_parts`, whose
    readings are under P(z).

    Args:
        model: a :class:`~deconfound.CausalSegmenter` whose dictionary is words, before its training
            starts.
        images: of the training sites, and of no other: P(z) of a held-out site is not known.
        progress: called with how many images were read, and of how many.

    Returns:
        P(z), (M,), which the dictionary now holds.

    Raises:
        ConfigurationError: a dictionary that is not made of text, whose rows no image can be said
            to show.
    """
    dictionary = model.dictionary
    if not isinstance(dictionary, TextPromptDictionary):
        raise ConfigurationError(
            f"a prior read in images: expected a dictionary of text, found a "
            f"{type(dictionary).__name__}; leave the prior to it, or take text"
        )
    pooled, _ = embed(model, images, progress)
    z = named_confounders(model)
    _, prior = shift_prior(read_posterior(pooled, z, TEMPERATURE), z.prior)
    dictionary.weigh(prior)
    return dictionary.prior
