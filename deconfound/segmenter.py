"""CausalSegmenter: the picture of docs/architecture.md as code.

::

    images ──► tower ──► dense C ──► selector ──► F ──► intervention ◄── Z ◄── dictionary
                 │                                          │
                 └► pyramid ─► levels ─► fusion ◄ scatter ◄─┘ F_ca
                                           │
                                        decoder ──► logits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deconfound import assembly, saving
from deconfound.decoders import SegmentationBody
from deconfound.dictionaries import ConfounderDictionary, dictionaries
from deconfound.encoders import LevelFusion
from deconfound.encoders.level_interventions import LevelIntervention, level_interventions
from deconfound.errors import WeightsError
from deconfound.estimators import Level, average_behind
from deconfound.interventions import HasEffects, Identity, InterventionLayer, interventions
from deconfound.packs import PromptPack
from deconfound.prompts import PromptEmbeddings
from deconfound.selectors import RegionSelector, scatter, selectors, similarity_map
from deconfound.types import Confounders, Explanation, Regions
from deconfound.vlm import VisionLanguageModel
from deconfound.vlm.positions import resample


class CausalSegmenter(nn.Module):
    """A segmentation model that adjusts for confounders named in a prompt pack.

    An ordinary module: ``model(images)`` returns logits, as every SMP model does.

    Args:
        decoder: an SMP architecture (``"Unet"``, …; all twelve), which then decodes the vision
            tower itself; a mapping with ``name`` and SMP's own options; or a ready SMP model, whose
            encoder is kept and beside which the tower runs; it is trained itself, and no copy.
        pack: a prompt pack, or its name, or the path of its YAML file.
        vlm: ``"mini"``, ``"ViT-L-14/openai"``, the path of weights, or a ready model.
        selector: a region selector, its registered name, or a mapping with ``name`` and options.
        dictionary: a confounder dictionary, likewise.
        intervention: an intervention layer, likewise.
        level_intervention: one that acts on the levels of the pyramid, skips included, likewise;
            None leaves them as they are.
        classes: output channels: 1 is binary; K + 1 is background and the pack's K classes. A ready
            SMP model brings its own.
        average: where the sum over confounders is taken: ``"feature"``, before the decoder; or
            behind it, which takes a pass for each confounder (`average_behind`): of its logits
            (``"logit"``), or of its probabilities (``"probability"``), which is
            Σ_z P(Y|F, z) P(z) to the letter. The latter two need an intervention with effects.
        levels: pyramid levels that the intervened map joins (1 is stride 2, …, -1 the deepest);
            ``"auto"``: those no finer than the tower's own grid.
        train_tower: ``"frozen"``, ``"all"``, or how many of the last blocks are trained.

    Attributes:
        intervening: False passes the regions by the intervention (training starts that way); saved
            with the model.

    Raises:
        DeconfoundError: a part that is unknown, cannot be loaded, or does not fit the others.
    """

    def __init__(
        self,
        decoder: str | Mapping[str, Any] | nn.Module = "Unet",
        pack: PromptPack | str | Path = "endoscopy",
        vlm: VisionLanguageModel | str | Path = "mini",
        selector: RegionSelector | str | Mapping[str, Any] = "mtrs",
        dictionary: ConfounderDictionary | str | Mapping[str, Any] = "text",
        intervention: InterventionLayer | str | Mapping[str, Any] = "cross_attention",
        *,
        level_intervention: LevelIntervention | str | Mapping[str, Any] | None = None,
        classes: int = 1,
        average: Level = "feature",
        levels: Sequence[int] | str = "auto",
        train_tower: str | int = "frozen",
    ) -> None:
        super().__init__()
        pack = assembly.resolve_pack(pack)
        vlm = assembly.resolve_vlm(vlm, pack)
        self.pack = pack
        self.tower = vlm.tower
        self.prompts = PromptEmbeddings(pack, vlm.encode_text)
        self.selector = assembly.resolve_selector(selector)
        self.dictionary = assembly.resolve_dictionary(dictionary, pack, self.prompts)
        self.body: SegmentationBody = assembly.resolve_body(decoder, self.tower, classes)
        self.level_intervention = assembly.resolve_level_intervention(
            level_intervention, pack, self.body
        )
        self.fusion = LevelFusion(
            vlm.embed_dim,
            self.body.channels,
            assembly.resolve_levels(levels, self.body, self.tower),
            self.body.levels_read,
        )
        self.intervention = assembly.resolve_intervention(intervention, vlm.embed_dim)
        self.average = assembly.resolve_average(average, self.intervention)
        self.decoder_spec = assembly.decoder_spec(decoder)
        self.classes = self.body.classes
        self.train_tower = train_tower
        self.tower.set_trainable(train_tower)
        self.intervening = True
        self._bystander = Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of normalised images (B, 3, H, W)."""
        return self.trace(images).logits

    def trace(self, images: Tensor) -> Explanation:
        """Run the model and keep what it computed on the way; images (B, 3, H, W), any H and W."""
        sized = resample(images, self.body.size_for(*images.shape[-2:]))
        visual = self.tower(sized)
        regions = self.selector(visual.dense, self.prompts.classes)
        confounders = self.dictionary()
        intervene = self.intervention if self.intervening else self._bystander
        intervened = intervene(regions, confounders)
        pyramid, rest = self.body.encode(sized, visual)
        pyramid = self.level_intervention(pyramid)

        def join(features: Tensor) -> list[Tensor]:
            return self.fusion(pyramid, scatter(visual.dense, regions.index, features))

        joined = join(intervened.features)
        effects = None if self.average == "feature" else self._effects(regions, confounders)
        if effects is None:
            logits = self.body.decode(joined, rest)
        else:
            logits = average_behind(
                lambda features: self.body.decode(join(features), rest),
                effects,
                intervened.weights,
                self.average,
            )
        return Explanation(
            logits=resample(logits, images.shape[-2:]),
            scores=similarity_map(visual.dense.detach(), self.prompts.classes),
            regions=regions,
            confounders=confounders,
            intervened=intervened,
            pooled=visual.pooled,
            levels=tuple(joined),
        )

    def explain(self, images: Tensor) -> Explanation:
        """Return everything the model can say of the images, per-confounder effects included.

        Effects are None where the intervention is passed by or declares none (`HasEffects`).
        """
        traced = self.trace(images)
        effects = self._effects(traced.regions, traced.confounders)
        return traced if effects is None else traced.with_effects(effects)

    def _effects(self, regions: Regions, confounders: Confounders) -> Tensor | None:
        if not self.intervening or not isinstance(self.intervention, HasEffects):
            return None
        return self.intervention.effects(regions, confounders)

    def normalize(self, images: Tensor) -> Tensor:
        """Turn RGB images in [0, 1] into what the vision tower was trained on."""
        return self.tower.normalize(images)

    def parameter_groups(self, lr: float, tower_factor: float = 1.0) -> list[dict[str, Any]]:
        """Return the trainable parameters for an optimizer, the tower's at ``lr·tower_factor``."""
        tower = [p for p in self.tower.parameters() if p.requires_grad]
        inside = {id(p) for p in self.tower.parameters()}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in inside]
        groups = [{"params": rest, "lr": lr}, {"params": tower, "lr": lr * tower_factor}]
        return [group for group in groups if group["params"]]

    def configuration(self) -> dict[str, Any]:
        """Return what it takes to build this model again, as JSON-able values."""
        return {
            "decoder": self.decoder_spec,
            "pack": self.pack.to_mapping(),
            "tower": self.tower.spec,
            "selector": assembly.component_spec(selectors, self.selector),
            "dictionary": assembly.component_spec(dictionaries, self.dictionary),
            "intervention": assembly.component_spec(interventions, self.intervention),
            "level_intervention": assembly.component_spec(
                level_interventions, self.level_intervention
            ),
            "classes": self.classes,
            "average": self.average,
            "levels": list(self.fusion.levels),
            "train_tower": self.train_tower,
            "intervening": self.intervening,
        }

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors`` into a folder."""
        return saving.write(self, self.configuration(), Path(folder))

    @classmethod
    def from_pretrained(
        cls, source: str | Path, device: str | torch.device = "cpu"
    ) -> CausalSegmenter:
        """Load what `save_pretrained` wrote: a folder, or a repository on the Hugging Face hub.

        Needs neither the network (for a folder) nor the VLM's text tower: the pack and its
        embeddings are part of the saved model.

        Raises:
            WeightsError: a file that is missing, damaged, or of another format.
        """
        config, weights = saving.read(source)
        pack = PromptPack.from_mapping(config.pop("pack"))
        vlm = VisionLanguageModel.without_text(config.pop("tower"))
        intervening = config.pop("intervening")
        try:
            model = cls(pack=pack, vlm=vlm, **config)
        except TypeError as error:
            raise WeightsError(f"{source}: config.json holds a wrong value ({error})") from error
        saving.fill(model, weights)
        model.intervening = intervening
        return model.eval().to(device)
