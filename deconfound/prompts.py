"""A prompt pack, encoded once: every text embedding that the model and its losses need."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from deconfound.packs import PromptPack

TextEncoder = Callable[[Sequence[str]], Tensor]


class PromptEmbeddings(nn.Module):
    """The text side of the model as buffers, so that no text tower is needed afterwards.

    Args:
        pack: K classes, M confounders, templates.
        encode: turns n prompts into (n, d) L2-normalised embeddings.

    Attributes:
        classes: (K, d), e_k, "A {class} in an endoscopic image".
        normal: (d,), the text for tissue without any of the classes.
        confounders: (M, d), z_m, "An endoscopy image with {confounder}".
        joint: (K, M, d), t_km, "A {class} with {confounder}".
    """

    classes: Tensor
    normal: Tensor
    confounders: Tensor
    joint: Tensor

    def __init__(self, pack: PromptPack, encode: TextEncoder) -> None:
        super().__init__()
        joint = pack.joint_prompts()
        self.register_buffer("classes", encode(pack.class_prompts()))
        self.register_buffer("normal", encode([pack.normal_prompt()])[0])
        self.register_buffer("confounders", encode(pack.confounder_prompts()))
        self.register_buffer("joint", torch.stack([encode(row) for row in joint]))
