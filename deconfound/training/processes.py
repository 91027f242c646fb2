"""Which process of a distributed run this one is, known before any process group exists."""

from __future__ import annotations

import os


def global_rank() -> int:
    """Return this process's rank over all nodes, 0 where nothing was launched in parallel.

    Launchers tell it through the environment: torchrun and Lightning's command line set ``RANK``,
    SLURM sets ``SLURM_PROCID``, and Fabric's own subprocess launcher sets ``LOCAL_RANK`` and
    ``NODE_RANK`` (there the local rank tells main from child on one node).
    """
    for name in ("RANK", "SLURM_PROCID"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    ranks = [os.environ.get(name, "0") for name in ("LOCAL_RANK", "NODE_RANK")]
    return max((int(rank) for rank in ranks if rank.isdigit()), default=0)


def is_main_process() -> bool:
    """Say whether this is the process that writes files and prints."""
    return global_rank() == 0
