"""From a name like ``ViT-L-14/openai`` to an architecture and a tag that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deconfound.errors import ConfigurationError, UnknownNameError, unknown_name

QUICK = "-quickgelu"
MINI = "mini"


@dataclass(frozen=True, slots=True)
class PretrainedName:
    """An open_clip architecture with one of its pretrained tags, activations agreeing.

    Attributes:
        architecture: open_clip's name, with ``-quickgelu`` where the tag demands it.
        tag: the pretrained tag.
        model_cfg: the architecture's model configuration.
        published: open_clip's entry for the tag: where the weights are, mean and std.
    """

    architecture: str
    tag: str
    model_cfg: dict[str, Any]
    published: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.architecture}/{self.tag}"


def resolve_name(name: str) -> PretrainedName:
    """Find the architecture and tag that ``name`` means, before anything is downloaded.

    ``ViT-L-14/openai`` resolves to ``ViT-L-14-quickgelu/openai``, because OpenAI trained with
    QuickGELU; the same weights under plain GELU load without a word and give wrong features.

    Args:
        name: ``"architecture/tag"``.

    Raises:
        UnknownNameError: open_clip knows no such architecture, or no such tag of it.
        ConfigurationError: the tag is missing from ``name``, or ``name`` insists on the wrong
            activation.
    """
    import open_clip

    architecture, _, tag = name.partition("/")
    known = open_clip.list_models()
    if architecture not in known:
        raise _unknown(architecture, [*known, MINI])
    plain = architecture.removesuffix(QUICK)
    tags = sorted({t for a in (architecture, plain) for t in _tags(a)})
    if not tag:
        ways = ", ".join(f"{architecture}/{t}" for t in tags) or "a folder with its weights"
        raise ConfigurationError(f"{architecture!r} names no pretrained weights; use {ways}")
    published = open_clip.get_pretrained_cfg(architecture, tag)
    published = published or open_clip.get_pretrained_cfg(plain, tag)
    if not published:
        raise unknown_name(f"pretrained tag of {architecture}", tag, tags)
    quick = bool(published.get("quick_gelu", False))
    if quick and plain + QUICK in known:
        architecture = plain + QUICK
    model_cfg = open_clip.get_model_config(architecture)
    if bool(model_cfg.get("quick_gelu", False)) != quick:
        raise ConfigurationError(_mismatch(name, quick, f"{plain}/{tag}", plain in known))
    return PretrainedName(architecture, tag, model_cfg, published)


def _unknown(name: str, known: list[str]) -> UnknownNameError:
    """Name the near architectures; where there is none, the ways to say a model, not all 170."""
    error = unknown_name("vision-language model", name, known)
    if "did you mean" in str(error):
        return error
    return UnknownNameError(
        f"unknown vision-language model {name!r}; expected 'mini', an architecture and tag of "
        f"open_clip such as 'ViT-L-14/openai', or an existing folder or .safetensors file"
    )


def _tags(architecture: str) -> list[str]:
    import open_clip

    return open_clip.list_pretrained_tags_by_model(architecture)


def _mismatch(name: str, quick: bool, plain: str, has_plain: bool) -> str:
    trained, built = ("QuickGELU", "GELU") if quick else ("GELU", "QuickGELU")
    other = name != plain and has_plain
    remedy = (
        f"use {plain!r}" if other else "open_clip has no architecture that fits, use another tag"
    )
    return (
        f"QuickGELU mismatch in {name!r}: the weights were trained with {trained}, the "
        f"architecture computes {built}; {remedy}"
    )
