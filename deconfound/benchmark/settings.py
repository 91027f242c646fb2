"""Everything that the benchmark can be told, each a flag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from deconfound.settings import Settings


class BenchmarkSettings(Settings):
    """Train every method in every world, and say which share of the confounding gap it closes.

    Attributes:
        out: folder for cells, report and what else is written; the same command resumes there.
        quick: two methods beside plain training and the oracles, one seed, one strength: at most
            ten minutes on two cores. Other flags can be added.
        worlds: renderable: every confounder can be drawn onto a finished picture; mixed: a third
            of the edges cannot; unrenderable: none can, and ``quick`` leaves it out.
        methods: what is trained besides plain training, which always is: parts by name, or sums
            of parts that each set one thing, in any order, such as film+weighting+render or
            doubly_robust+transplant. Regions: mtrs. What is done to them: cross_attention,
            cross_attention_literal, gated_mlp, film, translation, prior_only, front_door, erasure,
            leace. How gated_mlp, film or translation is summed over z: enumeration, monte_carlo,
            prior_mean, attention, standardisation; behind the decoder: average_logits,
            average_probabilities. What z is, if not the pack's words: kmeans, class_means, learned.
            Levels: statistics, level_erasure, mixstyle. Training: causal_loss, lesion_loss,
            weighting, loss_weighting, propensity, calibrated, transplant, transplant_auto,
            margin_auto, detail, restyle, restyle_auto, render. Sums that have a name: plain, mcdrl,
            mcdrl_literal, doubly_robust, default, unbalanced.
        strengths: of the confounding in training, for plain, mcdrl and default; 0 and 0.95 are
            always among them.
        sizes: of the dictionary, in prompts, for mcdrl and default in the first of the worlds.
        qualities: of the dictionary's words: true, paraphrased, partly_missing, wrong; for the
            same.
        seeds: how many repetitions: scenes, initial weights and order all differ.
        images: training images, a fifth of them set aside to choose the epoch.
        test_images: of each of the three distributions.
        image_size: side, in pixels; below 64 the deepest level is a single location.
        epochs: passes over the training images.
        lr: learning rate.
        accelerator: auto, cpu, cuda or mps.
        jobs: models trained at a time, each in a process of its own with its share of the cores;
            on a GPU, which one model this small leaves mostly idle, as many as there are cores
            and its memory holds.
        json_output: print the summary as JSON (--json).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path = Path("runs/causal")
    quick: bool = False
    worlds: tuple[str, ...] = ("renderable", "mixed", "unrenderable")
    methods: tuple[str, ...] = (
        *("mcdrl", "enumeration", "film", "prior_only", "front_door", "kmeans", "erasure"),
        *("statistics", "weighting", "doubly_robust", "restyle", "render", "transplant"),
        *("default", "unbalanced"),
    )
    strengths: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.0, 0.5, 0.8, 0.95, 0.99)
    sizes: tuple[int, ...] = (3, 6, 9, 12, 15)
    qualities: tuple[str, ...] = ("true", "paraphrased", "partly_missing", "wrong")
    seeds: int = Field(default=3, ge=1)
    images: int = Field(default=750, ge=50)
    test_images: int = Field(default=400, ge=20)
    image_size: int = Field(default=96, ge=64)
    epochs: int = Field(default=8, ge=1)
    lr: float = Field(default=2e-3, gt=0)
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    jobs: int = Field(default=1, ge=1)
    json_output: bool = False


QUICK = BenchmarkSettings(
    quick=True,
    worlds=("renderable", "mixed"),
    methods=("mcdrl", "default"),
    strengths=(),
    sizes=(12,),
    qualities=("true",),
    seeds=1,
    images=400,
    test_images=200,
    epochs=5,
    jobs=2,
)
"""What ``quick`` begins with."""
