"""The vision-language model: a vision tower, and text encoded into the same space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from deconfound.errors import ConfigurationError, unknown_name
from deconfound.vlm.architecture import tower_spec
from deconfound.vlm.text import AbsentText, OpenClipText, TextEncoder, Tokenizer, default_tokenizer
from deconfound.vlm.tower import VisionTower


class VisionLanguageModel:
    """One adapter over open_clip: a tower reads images, a text encoder prompts.

    Not an `nn.Module` on purpose: a model that keeps `tower` keeps no text tower with it.

    Args:
        tower: reads images.
        text: reads prompts, into the same space.
        name: what the model is called in configurations and reports.

    Attributes:
        tower: as given, a `VisionTower`.
        text: as given.
        name: as given.
    """

    def __init__(self, tower: VisionTower, text: TextEncoder, name: str) -> None:
        self.tower = tower
        self.text = text
        self.name = name

    @classmethod
    def from_open_clip(
        cls,
        model: Any,
        config: str | Mapping[str, Any],
        tokenizer: Tokenizer | None = None,
        dense: str = "auto",
    ) -> VisionLanguageModel:
        """Wrap a ready open_clip model, which is put in evaluation mode; weights are shared.

        Args:
            model: a `CLIP`, `CustomTextCLIP` or `CoCa` of open_clip, with its weights.
            config: the architecture's name, its model configuration, or the content of an
                ``open_clip_config.json``: what it takes to build the tower again.
            tokenizer: the model's tokenizer; open_clip's own for ``config`` when omitted.
            dense: the dense variant, see `ViTTower`.

        Raises:
            UnknownNameError: ``config`` is a name that open_clip does not know.
            ConfigurationError: ``config`` does not describe ``model``.
        """
        name, model_cfg, preprocess = _read(config, model)
        tower = VisionTower.from_visual(
            model.visual, tower_spec(model_cfg, preprocess, name, dense)
        )
        _check_description(tower)
        tokenizer = tokenizer or default_tokenizer(config if isinstance(config, str) else model_cfg)
        text = OpenClipText(model.eval(), tokenizer, name, tower.embed_dim, model_cfg)
        return cls(tower.eval(), text, name)

    @classmethod
    def without_text(cls, spec: Mapping[str, Any]) -> VisionLanguageModel:
        """Build a model with a random tower and no text tower, to be filled by a state dict.

        Args:
            spec: what `VisionTower.spec` returned; `encode_text` gives placeholders of its width.
        """
        tower = VisionTower.from_spec(spec)
        return cls(tower.eval(), AbsentText(tower.embed_dim), str(spec["name"]))

    @property
    def embed_dim(self) -> int:
        """d, the width of the joint space."""
        return self.tower.embed_dim

    @property
    def context_length(self) -> int:
        """How many tokens a prompt may have, start and end included."""
        return self.text.context_length

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax: 1 / temperature, as trained."""
        return self.text.logit_scale

    def with_dense(self, dense: str) -> VisionLanguageModel:
        """Return this model with another dense variant, over the same weights."""
        return VisionLanguageModel(self.tower.with_dense(dense), self.text, self.name)

    def count_tokens(self, prompt: str) -> int:
        """Return how many tokens ``prompt`` takes, start and end included."""
        return self.text.count_tokens(prompt)

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """Encode prompts into the joint space.

        Args:
            prompts: n texts, each within `context_length` tokens.

        Returns:
            (n, d), float32, L2-normalised, without gradient, on the text tower's device.

        Raises:
            ConfigurationError: ``prompts`` is one bare text, or a prompt is longer than the
                context, whose end open_clip would cut off in silence.
        """
        if isinstance(prompts, str):
            raise ConfigurationError(
                f"encode_text expects a list of prompts, got the text {prompts!r}"
            )
        return self.text.encode(prompts)


def _read(
    config: str | Mapping[str, Any], model: Any
) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return name, model configuration and preprocessing from what `from_open_clip` takes."""
    import open_clip

    known = getattr(model.visual, "preprocess_cfg", {})
    if not isinstance(config, str):
        preprocess = config.get("preprocess_cfg") or {}
        return type(model).__name__, config.get("model_cfg", config), {**known, **preprocess}
    model_cfg = open_clip.get_model_config(config)
    if model_cfg is None:
        raise unknown_name("open_clip architecture", config, open_clip.list_models())
    return config, model_cfg, known


def _check_description(tower: VisionTower) -> None:
    """Make sure that the tower's spec describes its weights: what is saved must load again."""
    described = VisionTower.from_spec(tower.spec)
    found = tower.state_dict()
    for name, expected in described.state_dict().items():
        shape = tuple(found[name].shape) if name in found else "nothing"
        if shape != tuple(expected.shape):
            raise ConfigurationError(
                f"the configuration does not describe this model: expected {name} of shape "
                f"{tuple(expected.shape)}, found {shape}; pass the one it was built from"
            )
    if _has_quick_gelu(described) != _has_quick_gelu(tower):
        raise ConfigurationError(
            f"QuickGELU mismatch: the configuration says quick_gelu={tower.spec['quick_gelu']}, "
            f"the model computes the other activation; pass the one it was built from"
        )


def _has_quick_gelu(tower: VisionTower) -> bool:
    return any(type(module).__name__ == "QuickGELU" for module in tower.modules())
