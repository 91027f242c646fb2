"""The vision-language model: a vision tower, and text encoded into the same space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.vlm.architecture import tower_spec
from deconfound.vlm.tower import VisionTower

TEXT_BATCH = 256

Tokenizer = Callable[[Sequence[str]], Tensor]


class VisionLanguageModel:
    """One adapter over open_clip (DESIGN section 3): `tower` reads images, `encode_text` reads prompts.

    Not an `nn.Module` on purpose: a model that keeps `tower` keeps no text tower with it.

    Args:
        clip: an open_clip model (`CLIP`, `CustomTextCLIP`, `CoCa`).
        tower: the tower over ``clip.visual``.
        tokenizer: from prompts to token ids (n, context length), as open_clip's tokenizers.
        name: what the model is called in configurations and reports.

    Attributes:
        tower: the vision tower, a `VisionTower`; shares its weights with ``clip``.
        name: as given.
    """

    def __init__(
        self, clip: nn.Module, tower: VisionTower, tokenizer: Tokenizer, name: str
    ) -> None:
        self.clip = clip
        self.tower = tower
        self.tokenizer = tokenizer
        self.name = name

    @classmethod
    def from_open_clip(
        cls,
        model: nn.Module,
        config: str | Mapping[str, Any],
        tokenizer: Tokenizer | None = None,
        dense: str = "auto",
    ) -> Self:
        """Wrap a ready open_clip model, which is put in evaluation mode.

        Args:
            model: an open_clip model with its weights.
            config: the architecture's name, its model configuration, or the content of an
                ``open_clip_config.json``: what it takes to build the tower again.
            tokenizer: the model's tokenizer; open_clip's own for ``config`` when omitted.
            dense: the dense variant, see `ViTTower`.

        Raises:
            UnknownNameError: ``config`` is a name that open_clip does not know.
            ConfigurationError: ``config`` does not describe ``model``.
        """
        import open_clip

        if isinstance(config, str):
            name, model_cfg, preprocess = config, open_clip.get_model_config(config), {}
            if model_cfg is None:
                raise unknown_name("open_clip architecture", config, open_clip.list_models())
        else:
            name = type(model).__name__
            model_cfg = config.get("model_cfg", config)
            preprocess = config.get("preprocess_cfg", {})
        preprocess = {**getattr(model.visual, "preprocess_cfg", {}), **preprocess}
        tower = VisionTower.from_visual(
            model.visual, tower_spec(model_cfg, preprocess, name, dense)
        )
        check_description(tower)
        tokenizer = tokenizer or default_tokenizer(config if isinstance(config, str) else model_cfg)
        return cls(model.eval(), tower.eval(), tokenizer, name)

    @property
    def embed_dim(self) -> int:
        """d, the width of the joint space."""
        return self.tower.embed_dim

    @property
    def context_length(self) -> int:
        """How many tokens a prompt may have, start and end included."""
        text = getattr(self.clip, "text", self.clip)
        fallback = getattr(self.tokenizer, "context_length", None)
        return int(getattr(text, "context_length", fallback) or self.clip.context_length)

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax: 1 / temperature, as trained."""
        return float(self.clip.logit_scale.detach().exp())

    def with_dense(self, dense: str) -> VisionLanguageModel:
        """Return this model with another dense variant, over the same weights."""
        return type(self)(self.clip, self.tower.with_dense(dense), self.tokenizer, self.name)

    def count_tokens(self, prompt: str) -> int:
        """Return how many tokens ``prompt`` takes, start and end included."""
        if hasattr(self.tokenizer, "encode"):  # open_clip's own, which adds start and end itself
            return len(self.tokenizer.encode(prompt)) + 2
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is None:
            raise ConfigurationError(
                f"tokenizer {type(self.tokenizer).__name__} of {self.name} can neither `encode` nor "
                f"show its inner `tokenizer`, so the tokens of a prompt cannot be counted"
            )
        clean = getattr(self.tokenizer, "clean_fn", str)
        return len(inner(clean(prompt))["input_ids"])

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """Encode prompts into the joint space.

        Args:
            prompts: n texts, each within `context_length` tokens.

        Returns:
            (n, d), float32, L2-normalised, without gradient, on the text tower's device.

        Raises:
            ConfigurationError: ``prompts`` is one bare text, or a prompt is longer than the context,
                whose end open_clip would cut off in silence.
        """
        if isinstance(prompts, str):
            raise ConfigurationError(
                f"encode_text expects a list of prompts, got the text {prompts!r}"
            )
        for prompt in prompts:
            length = self.count_tokens(prompt)
            if length > self.context_length:
                raise ConfigurationError(
                    f"prompt {prompt!r} takes {length} tokens, but {self.name} reads at most "
                    f"{self.context_length}; shorten it"
                )
        device = self.clip.logit_scale.device
        encoded = [torch.empty(0, self.embed_dim, device=device)]
        for start in range(0, len(prompts), TEXT_BATCH):
            tokens = self.tokenizer(list(prompts[start : start + TEXT_BATCH])).to(device)
            encoded.append(F.normalize(self.clip.encode_text(tokens).float(), dim=-1))
        return torch.cat(encoded)


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
    options = text.get("tokenizer_kwargs") or {}
    return open_clip.SimpleTokenizer(context_length=text.get("context_length", 77), **options)


def check_description(tower: VisionTower) -> None:
    """Make sure that the tower's spec describes its weights, so that what is saved can be loaded.

    Raises:
        ConfigurationError: shapes or the activation differ.
    """
    described, given = VisionTower.from_spec(tower.spec), tower
    for name, expected in described.state_dict().items():
        found = given.state_dict().get(name)
        if found is None or found.shape != expected.shape:
            shape = "nothing" if found is None else f"shape {tuple(found.shape)}"
            raise ConfigurationError(
                f"the configuration does not describe this model: expected {name} of shape "
                f"{tuple(expected.shape)}, found {shape}; pass the configuration it was built from"
            )
    if _has_quick_gelu(described) != _has_quick_gelu(given):
        raise ConfigurationError(
            f"QuickGELU mismatch: the configuration says quick_gelu={tower.spec['quick_gelu']}, but "
            f"the model was built with the other activation; pass the configuration it was built from"
        )


def _has_quick_gelu(tower: VisionTower) -> bool:
    return any(type(module).__name__ == "QuickGELU" for module in tower.modules())
