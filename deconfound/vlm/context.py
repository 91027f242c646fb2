"""Sentences with learned vectors among their words, read by a frozen text tower."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.errors import ConfigurationError, ShapeError
from deconfound.vlm.architecture import build_clip
from deconfound.vlm.model import VisionLanguageModel
from deconfound.vlm.text import OpenClipText

POOLED_AT_END = ("argmax", "eos")


class ContextText(nn.Module):
    """Reads S sentences behind m vectors: ``[start] [v_1] … [v_m] {sentence} [end]``.

    The vectors stand where words would (CoOp, arXiv 2109.01134), and gradients reach them alone:
    the tower's weights are buffers, which no optimizer finds. Of the vocabulary only the tokens of
    the sentences are kept.

    Args:
        spec: the text tower: ``embed_dim``, ``text_cfg`` and ``quick_gelu`` of open_clip's model
            configuration.
        sentences: S
        tokens: T, how many tokens the longest sentence has, its end included.
        persistent: whether tower and sentences are part of the state dict.

    Attributes:
        width: of a token, and so of a context vector.

    Raises:
        ConfigurationError: a spec that open_clip cannot build.
    """

    start: Tensor
    words: Tensor
    end: Tensor

    def __init__(
        self, spec: Mapping[str, Any], sentences: int, tokens: int, persistent: bool = True
    ) -> None:
        super().__init__()
        self.spec = copy.deepcopy(dict(spec))
        self.tower = _as_buffers(_TextTower(spec), persistent)
        self.width = self.tower.positional_embedding.shape[1]
        self.register_buffer("start", torch.zeros(self.width), persistent)
        self.register_buffer("words", torch.zeros(sentences, tokens, self.width), persistent)
        self.register_buffer("end", torch.zeros(sentences, dtype=torch.int64), persistent)

    @classmethod
    def of(
        cls,
        vlm: VisionLanguageModel,
        sentences: Sequence[str],
        vectors: int,
        persistent: bool = True,
    ) -> ContextText:
        """Copy a model's text tower, and the tokens of sentences.

        Args:
            vlm: the model, which is left as it is.
            sentences: S texts.
            vectors: m, so many context vectors must fit in front of each.
            persistent: as in the class.

        Raises:
            ConfigurationError: a text tower that cannot be served, or a sentence too long.
        """
        text = _servable(vlm)
        for sentence in sentences:
            length = text.count_tokens(sentence) + vectors
            if length > text.context_length:
                raise ConfigurationError(
                    f"prompt {sentence!r} takes {length} tokens behind {vectors} context vectors, "
                    f"but {text.name} reads at most {text.context_length}; shorten it"
                )
        start, words, end = _tokens(text, sentences)
        own = cls(_spec(text), words.shape[0], words.shape[1], persistent)
        _copy_weights(own.tower, text)
        for buffer, value in ((own.start, start), (own.words, words), (own.end, end)):
            buffer.copy_(value)
        return own

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values; the rest is in the state dict."""
        return {
            "spec": copy.deepcopy(self.spec),
            "sentences": self.words.shape[0],
            "tokens": self.words.shape[1],
        }

    def forward(self, context: Tensor) -> Tensor:
        """Encode every sentence behind every context.

        Args:
            context: (…, m, width).

        Returns:
            (…, S, d), float32, L2-normalised.

        Raises:
            ShapeError: vectors of another width, or too many of them.
        """
        self._check(context)
        lead, m = context.shape[:-2], context.shape[-2]
        count, sentences = math.prod(lead), len(self.words)
        flat = context.reshape(count, m, self.width)
        rows = torch.cat(
            [
                repeat(self.start, "w -> b s 1 w", b=count, s=sentences),
                repeat(flat, "b m w -> b s m w", s=sentences),
                repeat(self.words, "s t w -> b s t w", b=count),
            ],
            dim=2,
        )
        with torch.autocast(context.device.type, enabled=False):  # few sentences, kept exact
            pooled = self.tower(
                rearrange(rows, "b s l w -> (b s) l w").float(),
                repeat(1 + m + self.end, "s -> (b s)", b=count),
            )
        return F.normalize(pooled, dim=-1).reshape(*lead, sentences, -1)

    def train(self, mode: bool = True) -> ContextText:
        """Stay as it is, whatever ``mode`` says.

        Nothing in the tower is random. In evaluation, attention would switch to another kernel
        where no gradient is asked for, and a prompt would have two slightly different embeddings.
        """
        return super().train(True)

    def _check(self, context: Tensor) -> None:
        room = len(self.tower.positional_embedding) - 1 - self.words.shape[1]
        if context.ndim < 2 or context.shape[-1] != self.width or context.shape[-2] > room:
            raise ShapeError(
                f"learned context: expected vectors (…, m ≤ {room}, {self.width}), "
                f"found {tuple(context.shape)}"
            )


def word_vectors(vlm: VisionLanguageModel, words: str) -> Tensor:
    """Return the token embeddings (m, width) of words: where a learned context can start.

    Raises:
        ConfigurationError: a text tower that cannot be served, or no word.
    """
    _, embedded, end = _tokens(_servable(vlm), [words])
    if not end[0]:
        raise ConfigurationError(f"learned context: expected words to start from, found {words!r}")
    return embedded[0, : int(end[0])].float()


class _TextTower(nn.Module):
    """What open_clip's text towers do behind the embedding of tokens."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__()
        # The smallest vision tower and vocabulary: open_clip builds a text tower only as half of a
        # model. What is drawn is overwritten, so the rest of the program draws as if it was not.
        vision = {"image_size": 1, "patch_size": 1, "width": 8, "layers": 1, "head_width": 8}
        text = {**spec["text_cfg"], "vocab_size": 1}
        with torch.random.fork_rng(devices=[]):
            clip = build_clip({**spec, "vision_cfg": vision, "text_cfg": text})
        self.transformer = clip.transformer
        self.positional_embedding = clip.positional_embedding
        self.ln_final = clip.ln_final
        self.text_projection = clip.text_projection

    def forward(self, embedded: Tensor, end: Tensor) -> Tensor:
        """Return (n, d), read at the end tokens (n,) of embedded sentences (n, L, width).

        Nothing looks ahead, so what follows an end has no effect and can be left out.
        """
        length = embedded.shape[1]
        ahead = torch.full((length, length), float("-inf"), device=embedded.device).triu(1)
        x = self.transformer(embedded + self.positional_embedding[:length], attn_mask=ahead)
        pooled = self.ln_final(x[torch.arange(len(x), device=x.device), end])
        if self.text_projection is None:
            return pooled
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(pooled)
        return pooled @ self.text_projection


def _as_buffers(module: nn.Module, persistent: bool) -> Any:
    """Turn every parameter of a module into a buffer of the same name."""
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach(), persistent)
    return module


def _servable(vlm: VisionLanguageModel) -> OpenClipText:
    """Return the text half of a model, having checked that context can be put into it."""
    text = vlm.text
    if not isinstance(text, OpenClipText):
        raise ConfigurationError(
            f"learned context needs the text tower of an open_clip model, found "
            f"{type(text).__name__} in {vlm.name}"
        )
    config = text.model_cfg["text_cfg"]
    if config.get("hf_model_name"):
        raise ConfigurationError(
            f"learned context needs a text tower of open_clip's own, but {text.name} reads text "
            f"with {config['hf_model_name']!r} of another library"
        )
    pooling = config.get("pool_type", "argmax")
    if pooling not in POOLED_AT_END or config.get("no_causal_mask") or config.get("embed_cls"):
        raise ConfigurationError(
            f"learned context needs a text tower that reads from left to right and is pooled at "
            f"the end token, as CLIP's; that of {text.name} is not"
        )
    return text


def _spec(text: OpenClipText) -> dict[str, Any]:
    return {
        "embed_dim": text.embed_dim,
        "text_cfg": copy.deepcopy(dict(text.model_cfg["text_cfg"])),
        "quick_gelu": bool(text.model_cfg.get("quick_gelu", False)),
    }


@torch.no_grad()
def _tokens(text: OpenClipText, sentences: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the embedded start token, all tokens behind it up to the end, and where that is."""
    tower = getattr(text.clip, "text", text.clip)  # CustomTextCLIP keeps its text tower apart
    ids = text.tokenizer(list(sentences)).to(tower.positional_embedding.device)
    if (ids[:, 0] != text.tokenizer([""])[0, 0].to(ids.device)).any():
        raise ConfigurationError(
            f"learned context stands behind the start token, and the tokenizer of {text.name} "
            f"writes none"
        )
    config = text.model_cfg["text_cfg"]
    by_id = config.get("pool_type", "argmax") == "eos"
    end = (ids == config.get("eos_id", 2)).int().argmax(dim=1) if by_id else ids.argmax(dim=1)
    embedded = tower.token_embedding(ids[:, : int(end.max()) + 1])
    return embedded[0, 0], embedded[:, 1:], end - 1


@torch.no_grad()
def _copy_weights(tower: nn.Module, text: OpenClipText) -> None:
    """Fill a tower with the weights of a model's own."""
    found = getattr(text.clip, "text", text.clip).state_dict()
    for name, own in tower.named_buffers():
        shape = tuple(found[name].shape) if name in found else "nothing"
        if shape != tuple(own.shape):
            raise ConfigurationError(
                f"the configuration of {text.name} does not describe its text tower: expected "
                f"{name} of shape {tuple(own.shape)}, found {shape}"
            )
        own.copy_(found[name])
