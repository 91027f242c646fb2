"""The text half of a vision-language model: prompts into the joint space."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deconfound.errors import ConfigurationError

BATCH = 256

Tokenizer = Callable[[Sequence[str]], Tensor]


class TextEncoder(ABC):
    """Reads prompts.

    Attributes:
        context_length: how many tokens a prompt may have, start and end included.
        logit_scale: what cosines are multiplied by before a softmax, 1 / temperature, as trained.
    """

    context_length: int
    logit_scale: float

    @abstractmethod
    def count_tokens(self, prompt: str) -> int:
        """Return how many tokens ``prompt`` takes, start and end included."""

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Return (n, d), float32, L2-normalised, for n prompts."""


class OpenClipText(TextEncoder):
    """The text tower of an open_clip model.

    Args:
        clip: the model, in evaluation mode.
        tokenizer: from prompts to token ids (n, context length), as open_clip's tokenizers.
        name: what the model is called, for errors.
        embed_dim: d
        model_cfg: the model configuration that the model was built from.
    """

    def __init__(
        self, clip: Any, tokenizer: Any, name: str, embed_dim: int, model_cfg: Mapping[str, Any]
    ) -> None:
        self.clip = clip
        self.tokenizer = tokenizer
        self.name = name
        self.embed_dim = embed_dim
        self.model_cfg = model_cfg
        # CoCa's own context is that of its captioning decoder, one more than its text tower's.
        self.context_length = int(getattr(tokenizer, "context_length", None) or clip.context_length)

    @property
    def logit_scale(self) -> float:  # type: ignore[override]
        """1 / temperature, read from the model."""
        return float(self.clip.logit_scale.detach().exp())

    def count_tokens(self, prompt: str) -> int:
        """Return how many tokens ``prompt`` takes, start and end included."""
        if hasattr(self.tokenizer, "encode"):  # open_clip's own, which adds start and end itself
            return len(self.tokenizer.encode(prompt)) + 2
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is None:
            raise ConfigurationError(
                f"the tokenizer of {self.name} ({type(self.tokenizer).__name__}) has neither "
                f"`encode` nor `tokenizer`, so the tokens of a prompt cannot be counted"
            )
        clean = getattr(self.tokenizer, "clean_fn", str)
        return len(inner(clean(prompt))["input_ids"])

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Encode prompts in batches, refusing those that the tokenizer would cut short."""
        for prompt in prompts:
            length = self.count_tokens(prompt)
            if length > self.context_length:
                raise ConfigurationError(
                    f"prompt {prompt!r} takes {length} tokens, but {self.name} reads at most "
                    f"{self.context_length}; shorten it"
                )
        device = self.clip.logit_scale.device
        encoded = [torch.empty(0, self.embed_dim, device=device)]
        for start in range(0, len(prompts), BATCH):
            tokens = self.tokenizer(list(prompts[start : start + BATCH])).to(device)
            encoded.append(F.normalize(self.clip.encode_text(tokens).float(), dim=-1))
        return torch.cat(encoded)


class AbsentText(TextEncoder):
    """No text tower: embeddings are placeholders that a state dict is about to fill.

    They are not-a-number, so that one that was never filled shows in whatever is computed from it.

    Args:
        embed_dim: d
    """

    context_length = 0
    logit_scale = float("nan")

    def __init__(self, embed_dim: int) -> None:
        self.embed_dim = embed_dim

    def count_tokens(self, prompt: str) -> int:
        """Return 0: nothing is tokenised, so nothing is too long."""
        return 0

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Return (n, d) of not-a-number."""
        return torch.full((len(prompts), self.embed_dim), float("nan"))


def default_tokenizer(config: str | Mapping[str, Any]) -> Tokenizer:
    """Return open_clip's tokenizer for an architecture's name or model configuration.

    Raises:
        ConfigurationError: a configuration without a name asks for a tokenizer of another library.
    """
    import open_clip

    if isinstance(config, str):
        return open_clip.get_tokenizer(config)
    text = config.get("text_cfg", {})
    if text.get("hf_tokenizer_name"):
        raise ConfigurationError(
            f"this model reads text with {text['hf_tokenizer_name']!r}; pass it as `tokenizer=`, "
            f"e.g. open_clip.get_tokenizer of the architecture's name"
        )
    length, more = text.get("context_length", 77), text.get("tokenizer_kwargs") or {}
    return _simple_tokenizer(json.dumps({"context_length": length, **more}))


@cache
def _simple_tokenizer(options: str) -> Tokenizer:
    """Return open_clip's own tokenizer; to read its vocabulary takes longer than small weights."""
    import open_clip

    return open_clip.SimpleTokenizer(**json.loads(options))
