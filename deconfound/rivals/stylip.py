"""StyLIP: class prompts that follow each picture's style."""

from __future__ import annotations

from typing import Any

from deconfound.interventions import StylePromptIntervention
from deconfound.packs import PromptPack
from deconfound.rivals.base import Rival, rivals
from deconfound.vlm import VisionLanguageModel
from deconfound.vlm.context import ContextText, word_vectors


@rivals.register("stylip")
class StyLIP(Rival):
    """Context tokens of the class prompts are projected from each picture's feature statistics.

    A classifier made for domain generalisation: what varies between sites is taken to be style,
    and the prompt is told the style. `StylePromptIntervention` is its part of the model.

    Args:
        words: where the context starts, one token each.
    """

    title = "StyLIP"
    source = "Bose et al., WACV 2024, arXiv 2302.09251"
    adapted = (
        "from picture to location: every location is compared with the class prompts, and their "
        "mixture joins its features; trained by the run's segmentation loss in place of the "
        "classifier's contrastive one; a prompt of normal tissue stands for the background; style "
        "is that of the tower's last map, not of several layers, and projects to all tokens, "
        "which start at given words; the content projector is left out, as the decoder reads the "
        "content itself; its learning rate is searched"
    )
    grid = ({"lr_factor": 1.0}, {"lr_factor": 0.5}, {"lr_factor": 2.0})

    def __init__(self, words: str = "a photo of a") -> None:
        self.words = words

    def parts(self, vlm: VisionLanguageModel, pack: PromptPack) -> dict[str, Any]:
        """Return every location as a region, and the layer that joins the prompts to them."""
        start = word_vectors(vlm, self.words)
        sentences = [*(lesion.text for lesion in pack.classes), pack.normal]
        text = ContextText.of(vlm, sentences, vectors=len(start))
        layer = StylePromptIntervention(vlm.embed_dim, text, start, vlm.logit_scale)
        return {"selector": "all", "intervention": layer}
