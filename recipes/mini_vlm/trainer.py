"""One step of training, and all that the next one depends on."""

from __future__ import annotations

import copy
import math
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from deconfound.packs import PromptPack
from deconfound.training.files import write_atomically
from deconfound.vlm.text import default_tokenizer

from . import captions
from .model import (
    MODEL,
    build,
    draw_places,
    export,
    forget_unread_words,
    locate,
    locate_apart,
    normalize,
)
from .objective import Objective
from .optimizer import MuonAndAdamW
from .processes import average_gradients, same_everywhere
from .renders import Renders
from .settings import Settings

CHECKPOINT = "checkpoint.safetensors"

WINDOW = 4
"""Side of a window, in patches."""

WARM_UP = 100
"""Steps before the learning rate is at its highest."""


class Trainer:
    """The state of a run: model, objective, optimiser, the number of the next step, time spent."""

    def __init__(self, settings: Settings, renders: Renders, rank: int = 0) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.renders, self.rank = settings, renders, rank
        self.clip, self.objective = build(), Objective()
        self.tokenizer: Any = default_tokenizer(MODEL)
        self.pack = captions.of_pack(PromptPack.load("endoscopy"))
        self.optimizer = MuonAndAdamW(self._parameters(), settings.weight_decay)
        self.step, self.seconds = 0, 0.0

    @property
    def done(self) -> float:
        """Share of the schedule that is over."""
        limit = 60 * self.settings.minutes
        spent = self.seconds / limit if limit else 0.0
        return min(1.0, max(self.step / self.settings.steps, spent))

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        yield from self.clip.named_parameters(prefix="clip")
        yield from self.objective.named_parameters(prefix="objective")

    def train_step(self) -> dict[str, float]:
        """Take one step; everything drawn in it follows from the seed and its number."""
        settings, started = self.settings, time.monotonic()
        place = f"{settings.seed}/{self.step}/{self.rank}"
        torch.manual_seed(zlib.crc32(place.encode()))
        draw = random.Random(place)
        images, class_index, strengths = self._batch()
        written, about_class = self._captions(draw, class_index, strengths)
        with torch.autocast("cpu", torch.bfloat16):
            tokens, apart = self._look(images)
            texts = self._encode([*written, *about_class]).float()
        about_whole, about_places = texts.split([len(written), len(about_class)])
        whole = self.objective.whole(
            self.clip,
            tokens,
            about_whole,
            *captions.match(written, class_index, strengths),
        )
        places = self.objective.places(
            tokens if apart is None else apart,
            about_places,
            *captions.match(about_class, class_index, strengths),
        )
        loss = whole + settings.place_weight * places
        agreement = torch.zeros(())
        if apart is not None:
            agreement = self.objective.agreement(tokens, apart, about_places)
        (loss + settings.agreement_weight * agreement).backward()
        self._update()
        self.step += 1
        self.seconds = same_everywhere(self.seconds + time.monotonic() - started)
        losses = {"whole": whole, "places": places, "agreement": agreement}
        return {name: value.item() for name, value in losses.items()}

    def _update(self) -> None:
        parameters = [parameter for _, parameter in self._parameters()]
        average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        rate = min(1.0, (self.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * self.done))
        self.optimizer.step(rate * self.settings.matrix_lr, rate * self.settings.lr)

    def _look(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return tokens of some locations, and of the same ones with their windows apart.

        Early in the schedule there are no windows, and locations are dropped at random.
        """
        from open_clip.transformer import PatchDropout

        visual, settings = self.clip.visual, self.settings
        embedded = visual._embeds(normalize(images))
        if self.done < settings.apart_from:
            return locate(visual, PatchDropout(settings.dropped)(embedded)).float(), None
        kept = WINDOW**2 if self.done >= 1 - settings.whole else settings.kept
        places = draw_places(visual.grid_size, WINDOW, kept)
        rows = torch.cat([torch.zeros(1, dtype=torch.long), 1 + places.flatten()])
        embedded = embedded[:, rows]
        apart = locate_apart(visual, embedded, len(places))
        return locate(visual, embedded).float(), apart.float()

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return this process's pictures of this step, turned and mirrored in all eight ways."""
        size, count = self.settings.batch_size, len(self.renders.images)
        epoch, place = divmod(self.step, count // size)
        order = torch.Generator().manual_seed(self.settings.seed + 7919 * epoch)
        rows = torch.randperm(count, generator=order)[place * size : (place + 1) * size]
        rows = rows[self.rank :: self.settings.processes]
        parts = (self.renders.images[rows].float() / 255).chunk(8)
        images = torch.cat(
            [
                torch.rot90(part.flip(3) if turn > 3 else part, turn % 4, (2, 3))
                for turn, part in enumerate(parts)
            ]
        )
        return images, self.renders.class_index[rows], self.renders.strengths[rows]

    def _captions(
        self, draw: random.Random, class_index: Tensor, strengths: Tensor
    ) -> tuple[list[captions.Caption], list[captions.Caption]]:
        """Write a caption for each picture beside the pack's own; and some on classes alone."""
        facts = zip(class_index.tolist(), strengths.tolist(), strict=True)
        written = [captions.write(draw, index, levels) for index, levels in facts]
        names = self.pack[: len(captions.CLASSES)]
        again = [captions.write_class(draw, index) for index in range(len(names))]
        return [*self.pack, *written], [*names, *again]

    def _encode(self, written: list[captions.Caption]) -> Tensor:
        length = self.clip.context_length
        tokens = self.tokenizer([caption.text for caption in written], context_length=length)
        return F.normalize(self.clip.encode_text(tokens), dim=-1)

    def save(self, folder: Path) -> None:
        """Write everything that the next step depends on."""
        state = {name: parameter.detach() for name, parameter in self._parameters()}
        state |= self.optimizer.state()
        about = {"step": str(self.step), "seconds": str(self.seconds)}
        about["settings"] = self.settings.model_dump_json()
        write_atomically(folder / CHECKPOINT, lambda path: save_file(state, path, metadata=about))

    def restore(self, folder: Path) -> None:
        """Read what `save` wrote."""
        with safe_open(folder / CHECKPOINT, "pt") as file:
            about = file.metadata()
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, no mapping
        with torch.no_grad():
            for name, parameter in self._parameters():
                parameter.copy_(state[name])
        self.optimizer.load({key: value for key, value in state.items() if "/" in key})
        self.step, self.seconds = int(about["step"]), float(about["seconds"])

    def export(self, folder: Path) -> None:
        """Write the model as it is now, in open_clip's format."""
        clip = copy.deepcopy(self.clip)
        forget_unread_words(clip, self.tokenizer)
        export(clip, folder)
