"""What did the model use? Every diagnostic of one model on a few images, in one call."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from deconfound.diagnostics.agreement import Agreement, agreements, readings
from deconfound.diagnostics.attention import AttentionDivergence, attention_divergence
from deconfound.diagnostics.batch import Batch
from deconfound.diagnostics.counterfactual import (
    Counterfactuals,
    Do,
    counterfactual_masks,
    mask_jensen_gap,
)
from deconfound.diagnostics.dictionary_health import DictionaryHealth, dictionary_health
from deconfound.diagnostics.invariance import (
    KernelTest,
    SiteProbe,
    fewest_groups,
    kernel_independence,
    site_probe,
)
from deconfound.diagnostics.leave_out import LeaveOut, leave_out
from deconfound.diagnostics.measured import measure
from deconfound.diagnostics.posterior import (
    ClassOverlap,
    OverlapWarning,
    SitePosterior,
    class_overlap,
    site_posterior,
)
from deconfound.dictionaries.prior import as_prior
from deconfound.estimators.weighting.reading import TEMPERATURE
from deconfound.evenly import evenly
from deconfound.interventions import HasEffects
from deconfound.types import Confounders

if TYPE_CHECKING:
    from deconfound.segmenter import CausalSegmenter

CLOSE_LOOK = 8
"""How many images are decoded again for every confounder."""

FEWEST_FOR_KERNELS = 20
"""Below this many independent images a kernel test says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class WhatWasUsed:
    """Every answer there is; None where a model, or the images, cannot give one.

    Attributes:
        names: the M confounders of the dictionary, in words.
        prompts: those of the pack, which `posterior`, `overlap` and `agreement` are about.
        sites: of the images.
        images: n, how many were looked at.
        close: (B, 3, H, W), the few of them that `leave_out`, `counterfactual`, `done` look at.
        attention: None where the intervention is passed by.
        leave_out: None for a dictionary of one, or of which only one has a prior.
        counterfactual: in feature space; None for a layer without effects.
        jensen: (B, H, W), how far averaging before the decoder moves a pixel's probability, that of
            the channel that moves most; None where there is no `counterfactual`.
        done: `counterfactual`, with do(z) carried out on images, of the confounders that can be set
            in them; None where none can, or where it was not asked for.
        posterior: by site, from the prompts and the image embedding.
        overlap: cells class × confounder that are almost empty.
        probe: of the mean of F_ca over an image's regions; None for a single site, or too few.
        probe_before: of F, the same regions before the intervention.
        kernel: the same question without linearity; None without causal-learn, or for too few.
        agreement: of prompts with measured statistics.
        health: of the dictionary; None where an embedding is zero, as a single centred one is.
        cells: how many images each class has under each prompt; `overlap` names the thin ones.
        kernel_missing: whether the kernel test has images enough, and only causal-learn is not
            installed.
        trained_on: how many training images `overlap` and `cells` are about; 0: they are about the
            images that were looked at.
    """

    names: tuple[str, ...]
    prompts: tuple[str, ...]
    sites: tuple[str, ...]
    images: int
    close: Tensor
    attention: AttentionDivergence | None
    leave_out: LeaveOut | None
    counterfactual: Counterfactuals | None
    jensen: Tensor | None
    done: Counterfactuals | None
    posterior: SitePosterior
    overlap: tuple[OverlapWarning, ...]
    probe: SiteProbe | None
    probe_before: SiteProbe | None
    kernel: KernelTest | None
    agreement: tuple[Agreement, ...]
    health: DictionaryHealth | None
    cells: ClassOverlap | None = None
    kernel_missing: bool = False
    trained_on: int = 0


def what_was_used(
    model: CausalSegmenter,
    batch: Batch,
    *,
    trained_on: Batch | None = None,
    temperature: float = TEMPERATURE,
    bias: Tensor | None = None,
    do: Do | None = None,
) -> WhatWasUsed:
    """Ask a model everything, on one batch of bounded size.

    Costs one pass over the batch, and about 2M of the decoder (with ``do``, up to M of the whole
    model) over `CLOSE_LOOK` of its images.

    Args:
        model: in evaluation mode; left as it was found.
        batch: 64 images or so of several sites, see `take_evenly`.
        trained_on: images that the model was trained on. Whether there is overlap enough is asked
            of them, as an estimator extrapolates from what it was fitted to; of ``batch`` without.
        temperature: of the zero-shot posterior P(z|x); higher is less sure.
        bias: (M,), a head start for each prompt; both come out of
            `deconfound.estimators.weighting.calibrate`.
        do: sets confounders of pictures, see `counterfactual_masks`.
    """
    from deconfound.estimators.weighting import read_posterior

    device = next(model.parameters()).device
    images = batch.images.to(device)
    z, words = model.dictionary(), {one.name: one.text for one in model.pack.confounders}
    prompts = _prompts(model, z)
    seen = _look(model, images)

    def read(pooled: Tensor) -> Tensor:
        return read_posterior(pooled, prompts, temperature, bias).cpu()

    posterior = read(seen.pooled)
    few = images[evenly(len(images), CLOSE_LOOK)]
    has_effects = model.intervening and isinstance(model.intervention, HasEffects)
    under = _in_words(counterfactual_masks(model, few), words) if has_effects else None
    done = _in_words(counterfactual_masks(model, few, do), words) if do else None
    cells = class_overlap(
        posterior if trained_on is None else read(_pooled(model, trained_on.images)),
        (trained_on or batch).class_index,
        model.pack.class_names,
        prompts.names,
        prompts.prior.cpu(),
    )
    rows = _independent(batch)
    missing = importlib.util.find_spec("causallearn") is None
    return WhatWasUsed(
        names=tuple(words.get(name, name) for name in z.names),
        prompts=prompts.names,
        sites=batch.sites,
        images=len(images),
        close=few,
        attention=attention_divergence(seen.weights, z.prior) if model.intervening else None,
        leave_out=leave_out(model, few) if int((z.prior > 0).sum()) > 1 else None,
        counterfactual=under,
        jensen=None if under is None else mask_jensen_gap(model, few, under).abs().amax(dim=1),
        done=done,
        posterior=site_posterior(posterior, batch.site_index, batch.sites, prompts.names),
        overlap=cells.warnings,
        probe=_probe(seen.after, batch),
        probe_before=_probe(seen.before, batch),
        kernel=None if rows is None or missing else _kernel(seen.after, batch, rows),
        agreement=_agreement(seen.pooled, prompts, batch.images),
        health=dictionary_health(z) if (z.embeddings.norm(dim=-1) > 0).all() else None,
        cells=cells,
        kernel_missing=rows is not None and missing,
        trained_on=0 if trained_on is None else len(trained_on.images),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One pass: pooled (n, d), weights (n, N, M), mean F and mean F_ca over regions (n, d)."""

    pooled: Tensor
    weights: Tensor
    before: np.ndarray
    after: np.ndarray


@torch.no_grad()
def _look(model: CausalSegmenter, images: Tensor) -> _Seen:
    """Trace the images, a few at a time."""
    traced = [model.trace(model.normalize(part)) for part in images.split(CLOSE_LOOK)]
    before = torch.cat([one.regions.features.mean(dim=1) for one in traced])
    after = torch.cat([one.intervened.features.mean(dim=1) for one in traced])
    return _Seen(
        torch.cat([one.pooled for one in traced]),
        torch.cat([one.intervened.weights for one in traced]),
        before.cpu().numpy(),
        after.cpu().numpy(),
    )


@torch.no_grad()
def _pooled(model: CausalSegmenter, images: Tensor) -> Tensor:
    """Return the tower's embedding of each image, (n, d)."""
    device = next(model.parameters()).device
    parts = [
        model.tower(model.normalize(one.to(device))).pooled for one in images.split(CLOSE_LOOK)
    ]
    return torch.cat(parts)


def _in_words(under: Counterfactuals, words: Mapping[str, str]) -> Counterfactuals:
    return replace(under, names=tuple(words.get(name, name) for name in under.names))


def _prompts(model: CausalSegmenter, z: Confounders) -> Confounders:
    """Return the pack's prompts as text, with the dictionary's prior where it is of the same."""
    embeddings = model.prompts.confounders
    texts = tuple(one.text for one in model.pack.confounders)
    same = z.names == model.pack.confounder_names
    prior = z.prior if same else as_prior(None, texts).to(embeddings.device)
    return Confounders(embeddings, prior, texts)


def _probe(features: np.ndarray, batch: Batch) -> SiteProbe | None:
    """Probe with as many folds as the smallest site allows, up to five."""
    sites, classes = batch.site_index.numpy(), batch.class_index.numpy()
    fewest = fewest_groups(sites, batch.groups or np.arange(len(sites)))
    if len(np.unique(sites)) < 2 or fewest < 2:
        return None
    return site_probe(features, sites, classes, batch.groups, folds=min(5, fewest))


def _agreement(pooled: Tensor, prompts: Confounders, images: Tensor) -> tuple[Agreement, ...]:
    """Compare readings with pixels, where there are images enough for a rank correlation."""
    if len(images) < 3:
        return ()
    reading = readings(pooled, prompts.embeddings)
    return agreements(reading, measure(images), prompts.names)


def _independent(batch: Batch) -> np.ndarray | None:
    """Return one image of each patient, or None where they are too few for a kernel test."""
    groups = np.arange(len(batch.images)) if batch.groups is None else np.array(batch.groups)
    rows = np.sort(np.unique(groups, return_index=True)[1])
    several = len(np.unique(batch.site_index.numpy()[rows])) > 1
    return rows if several and len(rows) >= FEWEST_FOR_KERNELS else None


def _kernel(features: np.ndarray, batch: Batch, rows: np.ndarray) -> KernelTest:
    """Test one image of each patient, as the test wants independent ones."""
    sites, classes = batch.site_index.numpy()[rows], batch.class_index.numpy()[rows]
    return kernel_independence(features[rows], sites, classes)
