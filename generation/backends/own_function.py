"""A generator of the user's own: a Python function from prompts and seeds to images."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from generation.backends import OutOfMemory, Say, memory_errors, package_versions
from generation.batches import Batch
from generation.checkpoint_kinds import CheckpointSource
from generation.hub import file_sha256
from generation.noise import UPSTREAM, image_seed
from generation.own_generator import OwnGenerator
from generation.parameters import Parameters
from wire.own_code import import_fault
from wire.pictures import to_rgb
from wire.protocol import UserError

#: Parameters that say how MIRO or a pipeline samples; a function has its own ways.
FOREIGN = ("reward_targets", "negative_reward_targets", "resolution", "compile")


class OwnFunctionBackend:
    """Calls the function with always ``batch_size`` prompts. See :class:`generation.backends.Backend`."""

    def __init__(self, source: CheckpointSource, parameters: Parameters) -> None:
        if source.generator is None:
            raise UserError("no generator given")
        if foreign := [name for name in FOREIGN if getattr(parameters, name)]:
            raise UserError(f"{foreign[0]} does not apply to a generator of your own: it takes prompts and seeds")
        if parameters.noise == UPSTREAM:
            raise UserError("noise upstream replays MIRO's sweep script; a generator of your own needs noise image")
        self.gpu: str | None = "cuda:0"  # if there is one
        self._name, self._seed = str(source.generator), parameters.seed
        self._function = import_function(source.generator)
        self._more = {"checkpoint": source.argument} if source.argument else {}
        # The module, and the checkpoint it is given, where that is a file.
        files = [source.path, Path(source.argument)] if source.argument else [source.path]
        self.provenance = {
            "device": "chosen by the generator",
            "packages": package_versions("torch", "numpy", "pillow"),
            "hparams": {"checkpoint": source.name, "generator": self._name, "seed": parameters.seed},
            "precision": "chosen by the generator",
            "weights": [{"file": file.name, "sha256": file_sha256(file)} for file in files if file and file.is_file()],
        }

    def prepare(self, batches: Sequence[Batch], say: Say, warn: Say) -> None:
        """Nothing is shared: the function keeps what it needs."""

    def probe(self, batch: Batch) -> None:
        """A whole call, for lack of a shorter one; see :class:`generation.backends.Backend`."""
        self.make(batch)

    def make(self, batch: Batch) -> list[Any]:
        """Images of the batch; see :class:`generation.backends.Backend`."""
        items = batch.filled
        prompts = [item.prompt for item in items]
        seeds = [image_seed(self._seed, item.prompt_index, item.sample_index) for item in items]
        try:
            with memory_errors("the generator's device", batch.size):
                images = self._function(prompts, seeds, **self._more)
        except OutOfMemory:
            raise
        except Exception as error:
            traceback.print_exc()
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(f"generator {self._name} failed ({type(error).__name__}: {reason})") from error
        found = list(images) if isinstance(images, Sequence) else None
        if found is None or len(found) != len(items):
            given = type(images).__name__ if found is None else f"{len(found)} images"
            wanted = f"{len(items)} prompts; expected a list of {len(items)} PIL images"
            raise UserError(f"generator {self._name}: returned {given} for {wanted}")
        return [_pixels(image, self._name) for image in found[: len(batch.items)]]


def import_function(generator: OwnGenerator) -> Callable[..., Any]:
    """The function itself; its folder comes first on Python's path, so that it finds its neighbours.
    Raises UserError: the module cannot be imported, is another one of that name, or lacks the function.
    """
    sys.path.insert(0, str(generator.root))
    try:
        module = importlib.import_module(generator.module)
    except Exception as error:
        traceback.print_exc()
        raise UserError(f"generator {generator}: cannot be imported ({import_fault(error)})") from error
    if Path(module.__file__ or "").resolve() != generator.file.resolve():
        raise UserError(f"generator {generator}: a module of that name is loaded already; rename {generator.file}")
    function = getattr(module, generator.function, None)
    if not callable(function):
        raise UserError(f"generator {generator}: {generator.file} has no function {generator.function}")
    return function  # type: ignore[no-any-return]


def _pixels(image: Any, name: str) -> Any:
    import numpy as np
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise UserError(f"generator {name}: returned a {type(image).__name__} where a PIL image was expected")
    try:
        return np.asarray(to_rgb(image))
    except ValueError as error:
        raise UserError(f"generator {name}: {error}") from error
