"""All models of a study see the same sites, image for image, however long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deconfound.data import Site
from deconfound.data.which_images import which_samples
from deconfound.errors import RunFolderError
from deconfound.training.files import read_json, write_json

from .store import Store

Known = Mapping[str, Mapping[str, Any]]


def keep_sites(store: Store, sites: Sequence[Site]) -> None:
    """Write which images each site holds, or make sure that they are those of the models there.

    Names, patients, classes and mask files are compared (`which_samples`); pixels are not. A study
    without a model, begun or finished, takes the sites as they are now.

    Raises:
        RunFolderError: a site that has changed, is new or is gone; or a file that is damaged or
            lost.
    """
    path = store.folder / "sites.json"
    now = {
        one.name: {"images": len(one.samples), "which": which_samples(one.samples)} for one in sites
    }
    with store.writing():
        if store.has_models():
            _refuse_others(store, read_json(path, "which images each site held", _known), now)
        else:
            write_json(path, now)


def _refuse_others(store: Store, then: Known, now: Known) -> None:
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if changed:
        told = ", ".join(
            f"{name} ({_count(then, name)} then, {_count(now, name)} now)" for name in changed
        )
        raise RunFolderError(
            f"{store.folder}: expected the images and masks that the study's models were trained "
            f"and scored on, found others at {told}; restore them, or choose another --out"
        )


def _count(known: Known, name: str) -> str:
    return f"{known[name]['images']} images" if name in known else "no such site"


def _known(sites: Any) -> Known:
    return {name: {"images": one["images"], "which": one["which"]} for name, one in sites.items()}
