"""The loop: it learns, it keeps what it promises, and it goes on where it was killed."""

from __future__ import annotations

import gc
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from deconfound.errors import ConfigurationError, DataError, RunFolderError
from deconfound.training import checkpoint
from deconfound.training.engine import fit
from deconfound.training.history import EpochRecord, History
from deconfound.training.loading import batches
from deconfound.training.objective import Objective
from deconfound.training.run_folder import RunFolder
from deconfound.training.settings import TrainingSettings
from deconfound.types import Explanation

from .standin import Disks, SmallCriterion, SmallSegmenter


class Killed(BaseException):
    """Like a kill: not an Exception, so that nothing catches it by accident."""


class Deadly:
    """Kills the run in the middle of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.steps_left, self.method = 3 * epoch + step, ""

    def begin(self, method: str, epochs: int, epochs_done: int, images: int) -> None:
        self.method = method

    def step(self, images: int, loss: float) -> None:
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1

    def epoch(self, record: EpochRecord) -> None: ...

    def end(self) -> None: ...


def train(run: RunFolder, settings: TrainingSettings, **options: Any) -> tuple[Any, History]:
    model = options.pop("model", None) or SmallSegmenter()
    train_set = options.pop("train_set", Disks(length=12))
    val_set = options.pop("val_set", Disks(length=5, seed=1))
    history = fit(model, SmallCriterion(), train_set, val_set, settings, run, **options)
    return model, history


def identical(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_the_disks(run: RunFolder, settings: TrainingSettings) -> None:
    keen = {"epochs": 20, "lr": 5e-2, "tower_lr_factor": 1.0}
    _, history = train(run, settings.model_copy(update=keen))
    assert history.curve("loss")[-1] < 0.5 * history.curve("loss")[0]
    assert history.best.val_dice > 0.9


def test_intervention_and_causal_loss_start_together(
    run: RunFolder, settings: TrainingSettings
) -> None:
    criterion, model = SmallCriterion(), SmallSegmenter()
    settings = settings.model_copy(update={"epochs": 10})
    history = fit(model, criterion, Disks(8), Disks(3), settings, run)
    assert criterion.causal_calls == [False] * 2 * 2 + [True] * 2 * 8
    assert [r.intervening for r in history.records] == [False] * 2 + [True] * 8
    assert history.curve("causal")[1] == 0 < history.curve("causal")[2]
    assert history.first_intervening_epoch == 2


def test_unused_parameters_wait_untouched(run: RunFolder, settings: TrainingSettings) -> None:
    never = settings.model_copy(update={"intervention_start": 1.0})
    model, _ = train(run, never)
    fresh = SmallSegmenter()
    assert torch.equal(model.intervention.weight, fresh.intervention.weight)
    assert not torch.equal(model.head.weight, fresh.head.weight)


def test_tower_factor_zero_leaves_the_towers_weights(
    run: RunFolder, settings: TrainingSettings
) -> None:
    model, _ = train(run, settings.model_copy(update={"tower_lr_factor": 0.0}))
    assert torch.equal(model.tower[0].weight, SmallSegmenter().tower[0].weight)
    assert not torch.equal(model.tower[1].running_mean, torch.zeros(8))  # not frozen, as told


class Similar(SmallCriterion):
    """Adds a matrix product, which autocast would do in bf16."""

    def forward(self, explanation: Any, *args: Any, **options: Any) -> dict[str, Tensor]:
        terms = super().forward(explanation, *args, **options)
        tokens = explanation.intervened.features @ explanation.regions.features.mT
        similar = explanation.pooled @ explanation.confounders.embeddings.T
        return {**terms, "loss": terms["loss"] + tokens.mean() + similar.exp().mean()}


def test_the_criterion_is_computed_in_float_under_autocast() -> None:
    traced: list[Explanation] = []

    class Remembering(SmallSegmenter):
        def trace(self, images: Tensor) -> Explanation:
            traced.append(super().trace(images))
            return traced[-1]

    batch = next(batches(Disks(4), range(4), 4, workers=0, seed=0))
    targets = batch["mask"], batch["class_index"]
    objective = Objective(Remembering(), Similar())
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(batch["image"], *targets)["loss"]
    (record,) = traced
    assert record.logits.dtype is torch.bfloat16
    expected = Similar()(
        replace(
            record,
            logits=record.logits.float(),
            pooled=record.pooled.float(),
            regions=replace(record.regions, features=record.regions.features.float()),
            intervened=replace(record.intervened, features=record.intervened.features.float()),
        ),
        *targets,
        causal=True,
    )["loss"]
    assert found.dtype is torch.float32
    assert found.item() == expected.item()
    found.backward()
    assert objective.model.intervention.weight.grad.abs().sum() > 0


def test_same_seed_same_weights_other_seed_other_weights(
    tmp_path: Path, settings: TrainingSettings
) -> None:
    weights = []
    for number, seed in enumerate((3, 3, 4)):
        run = RunFolder.create(tmp_path / str(number), {})
        model, _ = train(run, settings.model_copy(update={"seed": seed}))
        weights.append(model.state_dict())
    assert identical(weights[0], weights[1])
    assert not identical(weights[0], weights[2])


@pytest.mark.parametrize("killed_at", [(0, 1), (1, 2), (3, 0), (4, 2)])
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_bit_for_bit(
    tmp_path: Path, settings: TrainingSettings, killed_at: tuple[int, int], workers: int
) -> None:
    settings = settings.model_copy(update={"workers": workers})
    whole = RunFolder.create(tmp_path / "whole", {})
    straight, whole_history = train(whole, settings, method="mcdrl")

    broken = RunFolder.create(tmp_path / "broken", {})
    with pytest.raises(Killed):
        train(broken, settings, progress=Deadly(*killed_at), method="mcdrl")
    assert len(broken.metrics()) == killed_at[0]
    torch.manual_seed(99)  # a new process begins with another random state
    again = RunFolder.create(tmp_path / "broken", {}, resume=True)
    resumed, history = train(again, settings, method="mcdrl")

    assert identical(straight.state_dict(), resumed.state_dict())
    for path in ("last_checkpoint", "best_checkpoint"):
        one, other = getattr(whole, path)("mcdrl"), getattr(again, path)("mcdrl")
        assert identical(load_file(one), load_file(other))
    assert without_time(whole_history) == without_time(history)
    assert [line["epoch"] for line in again.metrics()] == list(range(5))


def without_time(history: History) -> list[dict[str, Any]]:
    return [{**record.to_json(), "seconds": 0} for record in history.records]


@pytest.mark.parametrize("moment", ["save_weights", "save_state", "append_metrics"])
def test_killed_while_an_epoch_is_being_kept(
    tmp_path: Path, settings: TrainingSettings, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, _ = train(RunFolder.create(tmp_path / "whole", {}), settings)
    broken = RunFolder.create(tmp_path / "broken", {})
    home = "run_folder.RunFolder" if moment == "append_metrics" else "checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr(f"deconfound.training.{home}.{moment}", at_call(2, home, moment))
        with pytest.raises(Killed):
            train(broken, settings)
    resumed, _ = train(broken, settings)
    assert identical(straight.state_dict(), resumed.state_dict())
    assert [line["epoch"] for line in broken.metrics()] == list(range(5))


def at_call(number: int, home: str, name: str) -> Callable[..., Any]:
    """Wrap the function so that its n-th call kills."""
    from deconfound.training import checkpoint

    original = getattr(RunFolder if home.endswith("RunFolder") else checkpoint, name)
    calls = []

    def deadly(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise Killed
        return original(*args)

    return deadly


def test_a_finished_run_resumes_to_itself(run: RunFolder, settings: TrainingSettings) -> None:
    model, history = train(run, settings)
    again, same = train(run, settings)
    assert identical(model.state_dict(), again.state_dict())
    assert same == history


def test_kept_weights_are_the_best_with_the_intervention_on(
    run: RunFolder, settings: TrainingSettings
) -> None:
    model, history = train(run, settings)
    candidates = [r for r in history.records if r.intervening]
    assert history.best.val_dice == max(r.val_dice for r in candidates)
    assert history.best.intervening
    assert identical(load_file(run.best_checkpoint("model")), model.state_dict())


def test_two_methods_share_a_folder(run: RunFolder, settings: TrainingSettings) -> None:
    train(run, settings, method="baseline")
    train(run, settings, method="mcdrl")
    lines = run.metrics()
    assert [line["method"] for line in lines] == ["baseline"] * 5 + ["mcdrl"] * 5
    assert History.of(lines, "mcdrl").method == "mcdrl"
    assert len(History.of(lines, "baseline").records) == 5


def test_multiclass_and_bf16(run: RunFolder, settings: TrainingSettings) -> None:
    settings = settings.model_copy(update={"precision": "bf16-mixed"})
    sets = {"train_set": Disks(8, classes=3), "val_set": Disks(4, classes=3)}
    model, history = train(run, settings, model=SmallSegmenter(classes=3), **sets)
    assert model.head.weight.dtype is torch.float32
    assert all(math.isfinite(r.loss) for r in history.records)


def test_training_mode_is_left_as_it_was(run: RunFolder, settings: TrainingSettings) -> None:
    model = SmallSegmenter().eval()
    train(run, settings, model=model)
    assert not model.training
    assert not torch.are_deterministic_algorithms_enabled()


class Exploding(SmallCriterion):
    def forward(self, *args: Any, **options: Any) -> dict[str, Tensor]:
        terms = super().forward(*args, **options)
        late = len(self.causal_calls) == 5
        return {**terms, "loss": terms["loss"] * (float("nan") if late else 1.0)}


def test_a_loss_that_is_not_finite_names_epoch_step_and_remedy(
    run: RunFolder, settings: TrainingSettings
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        fit(SmallSegmenter(), Exploding(), Disks(12), Disks(4), settings, run, method="mcdrl")
    assert str(caught.value) == (
        "mcdrl: the loss became nan in epoch 2, step 2; try a smaller lr (now 0.01), a smaller "
        "gradient_clip (now 1.0), or precision 32-true (now 32-true)"
    )
    assert len(run.metrics()) == 1  # the finished epoch is kept


class Steep(SmallCriterion):
    def forward(self, explanation: Any, *args: Any, **options: Any) -> dict[str, Tensor]:
        terms = super().forward(explanation, *args, **options)
        root = (explanation.logits.sum() * 0).sqrt()  # 0, with an infinite derivative
        return {**terms, "loss": terms["loss"] + root}


def test_a_gradient_that_is_not_finite_is_refused(
    run: RunFolder, settings: TrainingSettings
) -> None:
    with pytest.raises(ConfigurationError, match="the gradient's norm became nan in epoch 1, step"):
        fit(SmallSegmenter(), Steep(), Disks(8), Disks(4), settings, run)


class Unreadable(Disks):
    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 5:
            raise DataError("frame 5: expected an image, found half of one; copy it again")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_error_stays_one_sentence(
    run: RunFolder, settings: TrainingSettings, workers: int
) -> None:
    settings = settings.model_copy(update={"workers": workers})
    with pytest.raises(DataError) as caught:
        train(run, settings, train_set=Unreadable(12))
    assert str(caught.value) == "frame 5: expected an image, found half of one; copy it again"


def test_empty_sets_are_refused(run: RunFolder, settings: TrainingSettings) -> None:
    with pytest.raises(DataError, match="the training set has 0 images, at least 1"):
        train(run, settings, train_set=Disks(0))
    with pytest.raises(DataError, match="the validation set has 0 images"):
        train(run, settings, val_set=Disks(0))


def test_fewer_images_than_a_batch_still_train(run: RunFolder, settings: TrainingSettings) -> None:
    _, history = train(run, settings, train_set=Disks(3))
    assert [r.images for r in history.records] == [3] * 5


def test_other_settings_cannot_resume(run: RunFolder, settings: TrainingSettings) -> None:
    train(run, settings)
    with pytest.raises(RunFolderError, match=r"found other values of lr \(0.01 then, 0.02 now\)"):
        train(run, settings.model_copy(update={"lr": 0.02}))
    train(run, settings.model_copy(update={"workers": 1}))  # harmless


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("cpu", "auto"),
        pytest.param("cpu", "cuda", marks=GPU),
        pytest.param("cuda", "cpu", marks=GPU),
    ],
)
def test_a_run_goes_on_on_another_accelerator(
    run: RunFolder, settings: TrainingSettings, first: str, then: str
) -> None:
    with pytest.raises(Killed):
        train(run, settings.model_copy(update={"accelerator": first}), progress=Deadly(2, 1))
    begun = run.metrics()
    _, history = train(run, settings.model_copy(update={"accelerator": then}))
    assert [record.to_json() for record in history.records[:2]] == begun
    assert [record.epoch for record in history.records] == list(range(5))


def test_another_number_of_processes_cannot_resume(
    run: RunFolder, settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--devices auto` is the same setting wherever it is given."""
    save = checkpoint.save_state
    monkeypatch.setattr(checkpoint, "save_state", lambda *given: save(*given[:-1], processes=2))
    train(run, settings)
    with pytest.raises(RunFolderError, match=r"of number of processes \(2 then, 1 now\); give"):
        train(run, settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.update(format=2), "its format is 2, not 1"),
        (lambda header: header["records"][0].pop("seconds"), "no 'seconds'"),
    ],
)
def test_a_checkpoint_of_another_version_is_one_sentence(
    run: RunFolder, settings: TrainingSettings, change: Callable[[Any], None], words: str
) -> None:
    train(run, settings)
    path = run.last_checkpoint("model")
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["deconfound"])
    change(header)
    save_file(load_file(path), path, {"deconfound": json.dumps(header)})
    with pytest.raises(RunFolderError, match=rf"could not read it \({words}\); restore the file"):
        train(run, settings)


def test_another_model_cannot_resume(run: RunFolder, settings: TrainingSettings) -> None:
    train(run, settings)
    sets = {"train_set": Disks(8, classes=3), "val_set": Disks(4, classes=3)}
    with pytest.raises(RunFolderError, match=r"expected module\.model\.head|expected model\.head"):
        train(run, settings, model=SmallSegmenter(classes=3), **sets)


def test_a_spoiled_checkpoint_is_named(run: RunFolder, settings: TrainingSettings) -> None:
    train(run, settings)
    path = run.last_checkpoint("model")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunFolderError, match=r"last\.safetensors: expected a checkpoint, could"):
        train(run, settings)


def test_weights_in_the_place_of_a_state_are_named(run: RunFolder, settings: TrainingSettings):
    train(run, settings)
    shutil.copy(run.best_checkpoint("model"), run.last_checkpoint("model"))
    with pytest.raises(RunFolderError, match="found weights alone"):
        train(run, settings)


@pytest.mark.parametrize("name", ["best_checkpoint", "last_checkpoint"])
def test_a_checkpoint_that_cannot_be_written_is_one_sentence(
    run: RunFolder, settings: TrainingSettings, name: str
) -> None:
    path = getattr(run, name)("model")
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.partial").write_text("a file in the way")
    settings = settings.model_copy(update={"intervention_start": 0.0})
    with pytest.raises(RunFolderError, match=rf"{path.name}: cannot be written \(.*\); free some"):
        train(run, settings)


def test_a_checkpoint_folder_that_cannot_be_made_is_one_sentence(
    run: RunFolder, settings: TrainingSettings
) -> None:
    (run.path / "checkpoints" / "model").write_text("a file")
    settings = settings.model_copy(update={"intervention_start": 0.0})
    with pytest.raises(RunFolderError, match=r"cannot be written \(File exists\); free some"):
        train(run, settings)


def test_checkpoint_is_safetensors_with_a_json_header(
    run: RunFolder, settings: TrainingSettings
) -> None:
    train(run, settings)
    raw = run.last_checkpoint("model").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    told = json.loads(header["__metadata__"]["deconfound"])
    assert len(told["records"]) == 5
    assert told["settings"]["seed"] == 3
    assert {"F32", "I64"} >= {v["dtype"] for k, v in header.items() if k != "__metadata__"}
    assert not list(run.path.rglob("*.partial"))


def test_memory_stays_flat(run: RunFolder, settings: TrainingSettings) -> None:
    counts: list[int] = []

    class Census:
        def begin(self, *_: Any) -> None: ...
        def step(self, *_: Any) -> None: ...
        def end(self) -> None: ...
        def epoch(self, record: Any) -> None:
            gc.collect()
            counts.append(sum(issubclass(type(o), Tensor) for o in gc.get_objects()))

    train(run, settings.model_copy(update={"epochs": 6}), progress=Census())
    assert counts[-1] <= counts[2]
