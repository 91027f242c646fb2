"""Two processes are the same loop as one: no step breaks, every image counts once, runs resume."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.accelerators import cuda
from lightning.fabric.utilities.rank_zero import rank_zero_info
from safetensors.torch import load_file

from deconfound.errors import DeconfoundError, RunFolderError
from deconfound.training.distributed import (
    Fabric,
    by_the_first,
    deterministic,
    gather_counts,
    launch,
)
from deconfound.training.evaluation import evaluate
from deconfound.training.processes import global_rank, is_main_process
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings

from .standin import Disks, SmallSegmenter

SCRIPT = Path(__file__).with_name("two_processes.py")
LAUNCHED = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "WORLD_SIZE", "MASTER_PORT")


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in LAUNCHED}
    paths = [str(SCRIPT.parents[2]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_two_processes_train_score_and_resume(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = start(str(whole))
    assert done.returncode == 0, done.stderr
    assert start(str(broken), "--die-at", "1").returncode != 0
    assert len(RunFolder.open(broken).metrics()) == 2
    done = start(str(broken))
    assert done.returncode == 0, done.stderr

    for method in ("baseline", "mcdrl"):
        one, other = (RunFolder.open(path).last_checkpoint(method) for path in (whole, broken))
        tensors, again = load_file(one), load_file(other)
        assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    lines = RunFolder.open(whole).metrics()
    assert [(line["method"], line["epoch"]) for line in lines] == [
        (method, epoch) for method in ("baseline", "mcdrl") for epoch in range(4)
    ]
    results = json.loads((whole / "results.json").read_text())
    assert [r["rows"][0]["images"] for r in results] == [7, 7]
    assert results[0]["per_image"]["index"] == list(range(7))


def test_evaluation_counts_every_image_once_and_restores_the_mode() -> None:
    model = SmallSegmenter().train()
    fabric = launch(TrainingSettings(accelerator="cpu"))
    torch.manual_seed(0)
    result = evaluate(model, Disks(7), fabric, batch_size=3, class_names=("a", "b"))
    assert result.overall.images == 7
    assert [row.images for row in result.rows if row.kind == "class"] == [4, 3]
    assert model.training
    torch.manual_seed(0)
    alone = evaluate(model, Disks(7), fabric, batch_size=1)
    assert alone.dice == pytest.approx(result.dice)


def test_joined_datasets_may_count_from_zero_each() -> None:
    joined = torch.utils.data.ConcatDataset([Disks(4), Disks(3, seed=1)])  # type: ignore[list-item]
    fabric = launch(TrainingSettings(accelerator="cpu"))
    result = evaluate(SmallSegmenter(), joined, fabric, batch_size=2)
    assert result.overall.images == 7
    assert result.index.tolist() == list(range(7))


class TwoProcesses:
    """Stands for Fabric where only its size is asked for."""

    world_size = 2

    def to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


@pytest.mark.parametrize("rank", [0, 1])
def test_where_the_first_process_fails_none_is_left_waiting(rank: int) -> None:
    error = RunFolderError("no space")

    class OneOfTwo(TwoProcesses):
        is_global_zero = rank == 0

        def broadcast(self, found: DeconfoundError | None) -> DeconfoundError | None:
            assert found is (error if rank == 0 else None)
            return error

    def work() -> None:
        assert rank == 0, "it is done once"
        raise error

    with pytest.raises(RunFolderError, match="no space"):
        by_the_first(OneOfTwo(), work)  # type: ignore[arg-type]


def test_counts_are_padded_and_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = torch.arange(6).view(2, 3), torch.arange(3).view(1, 3) + 10

    def all_gather(parts: list[torch.Tensor], tensor: torch.Tensor) -> None:
        parts[0].copy_(tensor)
        parts[1].fill_(-1)[: len(other)] = other

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    gathered = gather_counts(TwoProcesses(), mine, rows=2)  # type: ignore[arg-type]
    assert gathered[gathered[:, 0] >= 0].tolist() == [[0, 1, 2], [3, 4, 5], [10, 11, 12]]


class Still(Disks):
    """The same images in whatever order they are asked for."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        torch.manual_seed(index)
        return super().__getitem__(index)


@pytest.mark.parametrize("images", [1, 2])
def test_a_process_without_images_takes_part(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, alone = SmallSegmenter(), launch(TrainingSettings(accelerator="cpu"))
    expected = evaluate(model, Still(images), alone, batch_size=2)
    shares: list[torch.Tensor] = []

    class OneOfThree(TwoProcesses):
        world_size, device = 3, torch.device("cpu")
        autocast = staticmethod(contextlib.nullcontext)

        def __init__(self, rank: int) -> None:
            self.global_rank = rank

        def to_device(self, obj: Any) -> Any:
            return obj

    def all_gather(parts: list[torch.Tensor], tensor: torch.Tensor) -> None:
        shares.append(tensor)
        for part in parts:
            part.fill_(-1)
        for part, share in zip(parts, shares, strict=False):
            part.copy_(share)

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    for rank in range(3):
        found = evaluate(model, Still(images), OneOfThree(rank), batch_size=2)  # type: ignore[arg-type]
    assert found.index.tolist() == list(range(images))
    assert found.dice == pytest.approx(expected.dice)


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"SLURM_PROCID": "2"}, 2),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, 1),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, 1),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, 0),
    ],
)
def test_rank_is_known_before_any_process_group(
    environment: dict[str, str], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert global_rank() == rank
    assert is_main_process() == (rank == 0)


class Sudden(Exception):
    pass


def test_deterministic_kernels_are_on_inside_only() -> None:
    with contextlib.suppress(Sudden), deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
        raise Sudden
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_a_kernel_that_is_not_deterministic_says_so_outside_only() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            with deterministic(True):
                undetermined()
                warnings.warn("something else", stacklevel=1)
            undetermined()
    finally:
        torch.use_deterministic_algorithms(False)
    assert [str(one.message).split(" does not")[0] for one in heard] == ["something else", "put_"]


def undetermined() -> None:
    """Run what has no deterministic kernel on any device."""
    torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))


def test_lightnings_advice_to_round_is_not_passed_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(cuda, "_is_ampere_or_later", lambda device: True)
    advise = cuda._check_cuda_matmul_precision.__wrapped__  # which Lightning calls once

    def launching(fabric: Fabric) -> None:
        advise(torch.device("cuda"))
        rank_zero_info("something else")

    monkeypatch.setattr(Fabric, "launch", launching)
    with caplog.at_level(logging.INFO):
        fabric = launch(TrainingSettings(accelerator="cpu"))
        assert caplog.messages == ["something else"]
        launching(fabric)
    assert "Tensor Cores" in caplog.messages[1]
