"""Everything that a study can be told: the recipe's settings for all cells, and which cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from deconfound.packs import PromptPack

from ..config import RecipeConfig
from .cells import Cell
from .metrics import Metric

METHODS = (
    *("baseline", "stylip", "biomedcoop", "dann", "mixstyle", "decoupling", "group_dro"),
    *("clipseg_film", "mcdrl_literal", "mcdrl", "adjusted"),
)
"""In the order of the tables: plain, rivals, ours."""


class StudySettings(RecipeConfig):
    """A leave-one-site-out study. The recipe's settings hold for every cell.

    Attributes:
        out: folder of the study; the same command resumes there, and another table uses the cells
            that are there already.
        methods: what is compared.
        backbones: vision-language models; --vlm alone by default.
        holdouts: sites that are held out in turn; all by default.
        seeds: repetitions, counted up from --seed.
        trials: hyper-parameter settings tried for each method and held-out site, with the first
            seed; the best on the training sites' validation patients is kept. The first is what
            the flags say of ours, and what is published of a rival; 1 takes it alone.
        ablated: the method that is taken apart.
        metric: of tables by site, by lesion and of ablations; pooled counts the pixels of a site
            together. Another one is drawn of the same cells, and trains nothing.
        executor: here, one cell after another; slurm or local, each cell a job through submitit.
        partition: of SLURM.
        job_minutes: limit of a job, in minutes; one that comes to it is queued again, three times.
        jobs_at_once: how many jobs may run at a time.
        keep_models: keep the trained models of the first seed, for figures; of a search, the
            winner's alone.
    """

    out: Path = Path("runs/study")
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = METHODS
    backbones: tuple[str, ...] = ()
    holdouts: tuple[str, ...] = ()
    seeds: int = Field(3, ge=1)
    trials: int = Field(3, ge=1, le=3)
    ablated: str = "mcdrl"
    metric: Metric = "dice"
    executor: Literal["here", "local", "slurm"] = "here"
    partition: str | None = None
    job_minutes: int = Field(24 * 60, ge=1)
    jobs_at_once: int = Field(8, ge=1)
    keep_models: bool = True
    holdout: tyro.conf.Suppress[str | None] = None
    resume: tyro.conf.Suppress[bool] = False

    @property
    def all_backbones(self) -> tuple[str, ...]:
        """The vision-language models of the study."""
        return self.backbones or (self.vlm,)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds, first to last."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def recipe(self, cell: Cell) -> RecipeConfig:
        """Return the recipe's settings for one cell, the method's own hyper-parameters aside."""
        own = {name: getattr(self, name) for name in RecipeConfig.model_fields}
        changed = {"methods": (cell.method,), "vlm": cell.backbone, "holdout": cell.holdout}
        # Every seed is scored on the same frames, rendered ones too.
        scenes = self.seed if self.scenes is None else self.scenes
        depth = self.depth if cell.depth is None else cell.depth
        varied = {"seed": cell.seed, "scenes": scenes, "depth": depth}
        return RecipeConfig.model_validate({**own, **changed, **varied})

    def prompts(self, cell: Cell) -> PromptPack:
        """Return the pack of one cell, cut to the size that it asks for."""
        from deconfound.benchmark.dictionaries import pack_for

        return PromptPack.load(self.pack) if cell.prompts is None else pack_for(cell.prompts)


#: Settings that may differ between two commands of one study: which cells, where, and how shown.
MAY_DIFFER = frozenset(
    {
        *("out", "methods", "backbones", "vlm", "holdouts", "seeds", "trials", "ablated"),
        *("executor", "partition", "job_minutes", "jobs_at_once", "keep_models", "workers"),
        *("config", "accelerator", "devices", "num_nodes", "json_output", "pictures"),
        *("resume", "holdout", "metric"),
    }
)
