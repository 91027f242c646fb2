"""Weights into an open_clip model: found, downloaded, and loaded from safetensors only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deconfound.errors import WeightsError

PREFERRED = "open_clip_model.safetensors"
SUFFIX = ".safetensors"


def refuse_file(path: Path) -> WeightsError:
    """Return the error for a file of another format: a pickle could run code when it is opened."""
    return WeightsError(
        f"{path} is no {SUFFIX} file, and is not read: a pickle could run code when opened; "
        f"convert it where you trust it with `safetensors.torch.save_file(torch.load("
        f"'{path.name}', weights_only=True), '{PREFERRED}')` and pass that file"
    )


def find_weights(folder: Path) -> Path:
    """Return the one safetensors file of a model folder.

    Raises:
        WeightsError: there is no folder, no file, or several and none under open_clip's own name.
    """
    if not folder.is_dir():
        raise WeightsError(f"{folder} does not exist; expected a folder with {PREFERRED}")
    if (folder / PREFERRED).is_file():
        return folder / PREFERRED
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise WeightsError(f"{folder} holds {names}; rename the one to use to {PREFERRED}")
    raise WeightsError(
        f"{folder} holds no weights; expected {PREFERRED} in it, into which a pickle is converted "
        f"where you trust it"
    )


def load_weights(clip: Any, path: Path) -> None:
    """Load a safetensors file into an open_clip model.

    open_clip's own loader does it, which also converts checkpoints of related formats.

    Raises:
        WeightsError: the file cannot be read or holds another model's weights; ``clip`` is then of
            no use.
    """
    import open_clip
    from safetensors import SafetensorError

    try:
        open_clip.load_checkpoint(clip, str(path), strict=True)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} cannot be read as safetensors ({error}), so it is damaged or was cut short; "
            f"fetch or save it again"
        ) from error
    except (RuntimeError, KeyError, ValueError, AttributeError, StopIteration) as error:
        raise WeightsError(
            f"{path} does not fit its model configuration: {_difference(clip, path)}; "
            f"pass the configuration and the weights of one model"
        ) from error


def _difference(clip: Any, path: Path) -> str:
    """Say in a few words how a file's tensors differ from what the model expects."""
    expected = {name: tuple(tensor.shape) for name, tensor in clip.state_dict().items()}
    found = _shapes(path)
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    other = sorted(k for k in expected.keys() & found.keys() if expected[k] != found[k])
    parts = []
    if missing:
        parts.append(f"{len(missing)} expected tensors are missing (such as {missing[0]})")
    if unexpected:
        parts.append(f"{len(unexpected)} tensors are not of this model (such as {unexpected[0]})")
    if other:
        parts.append(
            f"{len(other)} tensors have another shape (such as {other[0]}, "
            f"expected {expected[other[0]]}, found {found[other[0]]})"
        )
    return ", ".join(parts) or "open_clip refused it"


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def download(name: str, published: dict[str, Any]) -> Path:
    """Download the safetensors file of a pretrained tag, or take it from the Hugging Face cache.

    Args:
        name: the model, for errors.
        published: open_clip's entry for the tag.

    Raises:
        WeightsError: the tag is published as a pickle only, or nothing could be downloaded.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, file = published.get("hf_hub", "").rpartition("/")
    if not repository:
        raise _only_pickle(name)
    file = str(Path(file).with_suffix(SUFFIX)) if file else PREFERRED
    try:
        with _quiet(logging.getLogger("huggingface_hub")):  # it reports every attempt
            return Path(hf_hub_download(repository, file))
    except LocalEntryNotFoundError as error:  # there is no connection, and no cached copy
        raise _cannot_download(name, repository, file, error) from error
    except EntryNotFoundError as error:
        raise _only_pickle(name) from error
    except Exception as error:  # the hub's client lets through whatever its transport raises
        raise _cannot_download(name, repository, file, error) from error


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Let only errors of a logger through."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _only_pickle(name: str) -> WeightsError:
    return WeightsError(
        f"the weights of {name} are published as a pickle only, which is not read; download and "
        f"convert them to {PREFERRED} where you trust them, write open_clip_config.json beside it, "
        f"and pass the folder"
    )


def _cannot_download(name: str, repository: str, file: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"the weights of {name} could not be downloaded ({type(error).__name__}); on a connected "
        f"machine fetch {file} and open_clip_config.json from {repository} and pass their folder, "
        f"or set HF_HOME to a cache that holds them"
    )
