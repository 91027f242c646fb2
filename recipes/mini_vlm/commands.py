"""The two commands, each the flags that it reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from .settings import Settings


@dataclass(frozen=True)
class Train:
    """Render, train, export.

    Attributes:
        settings: what decides the weights.
        run: folder of the run; one that was stopped is resumed there.
        out: where the model is written; by default RUN/model.
        threads: of each process; by default 1 if there are several.
    """

    settings: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)
    run: Path = Path("runs/mini_vlm")
    out: Path | None = None
    threads: int | None = None

    def __call__(self) -> None:
        """Train as the flags say."""
        import torch

        from .train import train

        if self.threads:
            torch.set_num_threads(self.threads)
        out = self.out or self.run / "model"
        print(f"wrote {train(self.settings, self.run, out, self.threads or 1)}")


@dataclass(frozen=True)
class Evaluate:
    """Zero-shot figures on unseen renders.

    Attributes:
        vlm: any model, as elsewhere.
        pack: prompt pack.
        n: pictures for each figure.
        seed: of the pictures; not that of training.
        json: print JSON and nothing else.
    """

    vlm: str = "mini"
    pack: str = "endoscopy"
    n: int = 1000
    seed: int = 10_000
    json: bool = False

    def __call__(self) -> None:
        """Evaluate as the flags say."""
        from .evaluate import as_mapping, evaluate
        from .show import progress, table

        with progress("reading", 3 * self.n, quiet=self.json) as tick:
            figures = evaluate(self.vlm, self.n, self.seed, self.pack, tick)
        if self.json:
            about = {"vlm": self.vlm, "pack": self.pack, "n": self.n, "seed": self.seed}
            print(json.dumps({**about, "figures": as_mapping(figures)}, indent=2))
        else:
            table(figures)


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
)
