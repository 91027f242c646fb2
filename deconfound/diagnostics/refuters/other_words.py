"""Other text for the same dictionary: irrelevant words, and the same things said differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from deconfound.diagnostics.refuters.changed_dictionary import ChangedDictionary
from deconfound.dictionaries.part import centred, is_centred
from deconfound.errors import ConfigurationError
from deconfound.types import Confounders

Encode = Callable[[Sequence[str]], Tensor]
"""From n sentences to (n, d) L2-normalised embeddings."""

IRRELEVANT = (
    *("a grand piano", "a bicycle", "a bowl of soup", "a mountain lake", "a railway station"),
    *("a violin", "a wooden chair", "a parrot", "a birthday cake", "an umbrella", "a lighthouse"),
    *("a chessboard", "a pair of shoes", "a sailing boat", "a pine tree", "a postage stamp"),
    *("a desert", "a football", "a telephone", "a castle", "a garden gate", "a pocket watch"),
    *("a zebra", "a loaf of bread", "a snowman", "a library", "a tractor", "a paper kite"),
    *("a teapot", "a volcano", "a guitar", "a traffic light"),
)
TEMPLATES = (
    "A picture that shows {confounder}",
    "This frame was taken with {confounder}",
    "An image affected by {confounder}",
)


class IrrelevantText(ChangedDictionary):
    """Puts everyday things where the confounders were: "An endoscopy image with a grand piano".

    Args:
        encode: the model's text tower.
        template: with ``{confounder}``, the pack's own.
        margin: what counts as a loss.

    Raises:
        ConfigurationError: in ``refute``, more confounders than there are words here.
    """

    name = "irrelevant text"
    asks = "Must the words name confounders, or would a grand piano do?"
    claim = "falls"
    what = "With everyday things for the confounders"

    def __init__(self, encode: Encode, template: str, margin: float | None = None) -> None:
        super().__init__(margin)
        self.encode, self.template = encode, template

    def change(self, confounders: Confounders, seed: int) -> Confounders:
        """Return as many irrelevant prompts, with the prior that was there."""
        count = len(confounders.names)
        if count > len(IRRELEVANT):
            raise ConfigurationError(
                f"irrelevant text: there are words for {len(IRRELEVANT)} confounders, found "
                f"{count}; use the placebo dictionary"
            )
        order = torch.randperm(len(IRRELEVANT), generator=torch.Generator().manual_seed(seed))
        words = tuple(IRRELEVANT[i] for i in order[:count].tolist())
        sentences = [self.template.format(confounder=word) for word in words]
        embeddings = dressed_like(confounders, self.encode(sentences))
        return Confounders(embeddings, confounders.prior, words)


class Paraphrases(ChangedDictionary):
    """Says the same in another sentence; an adjustment for the thing should not mind the words.

    Args:
        encode: the model's text tower.
        texts: the M confounders in words, in the dictionary's order.
        templates: sentences with ``{confounder}``; every seed takes the next one.
        margin: how far the score may move.
    """

    name = "paraphrases"
    asks = "Is it the thing that counts, or the sentence in which it was said?"
    claim = "stays"
    what = "With the same confounders in other sentences"

    def __init__(
        self,
        encode: Encode,
        texts: Sequence[str],
        templates: Sequence[str] = TEMPLATES,
        margin: float | None = None,
    ) -> None:
        super().__init__(margin)
        self.encode, self.texts, self.templates = encode, tuple(texts), tuple(templates)

    def change(self, confounders: Confounders, seed: int) -> Confounders:
        """Return the dictionary in one of the other templates."""
        template = self.templates[seed % len(self.templates)]
        sentences = [template.format(confounder=text) for text in self.texts]
        return replace(confounders, embeddings=dressed_like(confounders, self.encode(sentences)))


def dressed_like(real: Confounders, embeddings: Tensor) -> Tensor:
    """Centre embeddings (M, d) on their mean if the real ones are; type and device are theirs."""
    embeddings = embeddings.to(real.embeddings)
    return centred(embeddings, real.prior) if is_centred(real) else embeddings
