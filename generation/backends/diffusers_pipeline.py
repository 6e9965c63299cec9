"""Any text-to-image pipeline of diffusers, so that other models stand in the same leaderboard."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generation.backends import Say, memory_errors, package_versions
from generation.batches import Batch
from generation.checkpoint_kinds import DIFFUSERS_FILE, CheckpointSource
from generation.device import device_name, free_memory, torch_device
from generation.file_faults import fault_in_pipeline
from generation.hub import file_sha256, snapshot_revision, users_choice
from generation.noise import UPSTREAM, image_seed
from generation.parameters import Parameters
from generation.planned_files import stamp
from generation.precision import pipeline_dtype
from generation.sampling import finite_decoding
from generation.settings import parse_resolution
from generation.text_encoding import has_vocabulary
from wire.errors import EnvironmentFailure
from wire.hub import Repository
from wire.hub_client import asking, away, cache, client, endpoint, is_off
from wire.protocol import UserError

PACKAGES = ("torch", "diffusers", "transformers", "numpy", "pillow")


class DiffusersBackend:
    """One pipeline on one device. See :class:`generation.backends.Backend`.

    Each image has its own CPU generator, so that its noise is its own, in pipelines whose scheduler draws noise at
    every step too. Prompts are encoded by the pipeline itself, with each batch.
    """

    def __init__(self, source: CheckpointSource, parameters: Parameters) -> None:
        _refuse_miro_settings(parameters)
        self._seed, self._device = parameters.seed, torch_device(parameters.device)
        dtype = pipeline_dtype(parameters.precision, self._device)
        self._place = source.repo or str(source.path)
        folder = _folder(source, parameters.trust_checkpoint)
        with _from_the_cache_alone(source):
            self._pipeline = _load_once(folder, self._place, source.variant, dtype, parameters.trust_checkpoint)
        self._pipeline.set_progress_bar_config(disable=True)
        self._pipeline.to(self._device)
        self.gpu = str(self._device) if self._device.type == "cuda" else None
        self._arguments = _call_arguments(self._pipeline, parameters)
        self.provenance = {
            "device": device_name(self._device),
            "packages": package_versions(*PACKAGES),
            "hparams": {"checkpoint": source.repo or folder.name, "seed": parameters.seed}
            | _effective(self._pipeline, self._arguments),
            "precision": str(dtype).removeprefix("torch."),
            "weights": _weights(source, folder),
        }

    def prepare(self, batches: Sequence[Batch], say: Say, warn: Say) -> None:
        """Nothing is shared between batches."""

    def probe(self, batch: Batch) -> None:
        """Two steps: some schedulers know no fewer. See :class:`generation.backends.Backend`."""
        self._images(batch, self._arguments | {"num_inference_steps": 2})

    def make(self, batch: Batch) -> Any:
        """Images of the batch; see :class:`generation.backends.Backend`."""
        import numpy as np

        images = self._images(batch, self._arguments)[: len(batch.items)]
        if not np.isfinite(images).all():
            raise UserError(self._not_finite(batch))
        return (images * 255).round().astype("uint8")  # as diffusers makes PIL images of them

    def _images(self, batch: Batch, arguments: dict[str, Any]) -> Any:
        """Floating-point images (size, height, width, 3) of the filled batch, in [0, 1]."""
        import numpy as np
        import torch

        seeds = [image_seed(self._seed, item.prompt_index, item.sample_index) for item in batch.filled]
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        prompts = [item.prompt for item in batch.filled]
        watched = finite_decoding(getattr(self._pipeline, "vae", None), self._not_finite(batch))
        with memory_errors(self._device, batch.size), torch.inference_mode(), watched:
            images = self._pipeline(prompts, generator=generators, output_type="np", **arguments).images
        return np.asarray(images)

    def _not_finite(self, batch: Batch) -> str:
        near = f"prompt {batch.items[0].prompt_index} or near it"
        return f"{self._place}: its images are not finite ({near}); try --precision fp32 or bf16"


def _refuse_miro_settings(parameters: Parameters) -> None:
    if parameters.reward_targets or parameters.negative_reward_targets:
        raise UserError("reward targets apply to MIRO checkpoints only, not to a diffusers pipeline")
    if parameters.compile:
        raise UserError("--compile is for MIRO's network; a diffusers pipeline is run as it is")
    if parameters.noise == UPSTREAM:
        raise UserError("noise upstream replays MIRO's sweep script; a diffusers pipeline needs noise image")


def _folder(source: CheckpointSource, trusted: bool) -> Path:
    """The pipeline's folder, downloaded where the hub's cache lacks it."""
    from diffusers import DiffusionPipeline

    if source.path is not None:
        return source.path
    place = source.repo + (f"@{source.revision}" if source.revision else "")
    safe = None if trusted else True
    with users_choice(and_files=True), asking(place):
        commit = Repository(source.repo, source.revision or "").get(DIFFUSERS_FILE, fresh=True).name
        options = {"revision": commit, "variant": source.variant, "use_safetensors": safe, "cache_dir": cache()}
        local = is_off() or bool(away(endpoint()))
        client()  # so that diffusers' own questions end as ours do
        return Path(DiffusionPipeline.download(source.repo, local_files_only=local, **options))


@contextmanager
def _from_the_cache_alone(source: CheckpointSource) -> Iterator[None]:
    """Nobody has listed a repository's files where the hub is not asked: what fails then may be for want of some.
    Raises EnvironmentFailure: in place of a UserError.
    """
    try:
        yield
    except UserError as error:
        if not source.repo or not (is_off() or away(endpoint())):
            raise
        raise EnvironmentFailure(
            f"{error}; files of it may be missing in the hub cache {cache()}, and the hub cannot be asked: fetch it on "
            "a machine that reaches the hub, or point HF_HOME at a cache that has it whole"
        ) from error


#: The pipeline of this process's last job, by what it was loaded from and how.
_resident: dict[object, Any] = {}


def _load_once(folder: Path, place: str, variant: str | None, dtype: Any, trusted: bool) -> Any:
    """The pipeline, kept for the worker's next job; another one goes before the next is loaded."""
    stamps = tuple((path, stamp(path)) for path in sorted(folder.rglob("*")) if path.is_file())
    key = (place, variant, str(dtype), trusted, stamps)
    if key not in _resident:
        _resident.clear()
        free_memory()
        _resident[key] = _load(folder, place, variant, dtype, trusted)
    return _resident[key]


def _load(folder: Path, place: str, variant: str | None, dtype: Any, trusted: bool) -> Any:
    """The pipeline, on the CPU. Unless trusted, only safetensors are read, and no code from its folder is run."""
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedTokenizerBase

    safe = None if trusted else True
    try:
        with no_weights_made_up(place):
            pipeline = DiffusionPipeline.from_pretrained(
                folder, variant=variant, dtype=dtype, use_safetensors=safe, trust_remote_code=trusted
            )
    except UserError:
        raise
    except Exception as error:
        if fault := fault_in_pipeline(folder):
            raise UserError(f"{place}: {fault}") from error
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"{place}: not a pipeline that can be loaded ({type(error).__name__}: {reason})") from error
    for name, part in pipeline.components.items():
        if isinstance(part, PreTrainedTokenizerBase) and not has_vocabulary(part):
            raise UserError(f"{place}: its {name} has no vocabulary, so it would read no prompt; download it again")
    accepted = inspect.signature(pipeline.__call__).parameters
    if not {"prompt", "generator", "output_type"} <= set(accepted):
        raise UserError(f"{place}: {type(pipeline).__name__} makes no images from text")
    return pipeline


def _call_arguments(pipeline: Any, parameters: Parameters) -> dict[str, Any]:
    """What the user chose; the rest is the pipeline's own default."""
    width, height = parse_resolution(parameters.resolution) or (None, None)
    asked = {"num_inference_steps": parameters.steps, "guidance_scale": parameters.guidance_scale}
    asked |= {"width": width, "height": height}
    chosen = {name: value for name, value in asked.items() if value is not None}
    unknown = sorted(set(chosen) - set(inspect.signature(pipeline.__call__).parameters))
    if unknown:
        raise UserError(f"{type(pipeline).__name__} takes no {', '.join(unknown)}; omit it")
    return chosen


def _effective(pipeline: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The settings that were really used, under upstream's names where it has them."""
    accepted = inspect.signature(pipeline.__call__).parameters
    used = {name: accepted[name].default for name in accepted} | arguments
    scheduler = getattr(pipeline, "scheduler", None)
    return {
        "pipeline": type(pipeline).__name__,
        "scheduler": type(scheduler).__name__ if scheduler is not None else None,
        "steps": used.get("num_inference_steps"),
        "cfg": used.get("guidance_scale"),
        "width": used.get("width"),
        "height": used.get("height"),
    }


def _weights(source: CheckpointSource, folder: Path) -> list[dict[str, str]]:
    """Repository and commit, which tell all; of a local folder, the hash of each of its weights."""
    if source.repo:
        return [{"repo": source.repo, "revision": snapshot_revision(folder / DIFFUSERS_FILE)}]
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin"))
    return [{"file": str(file.relative_to(folder)), "sha256": file_sha256(file)} for file in files]


#: What both libraries say of such weights, in a warning; neither raises.
_MADE_UP = "newly initialized"
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def no_weights_made_up(place: str) -> Iterator[None]:
    """Refuse a model of which the libraries report made-up weights while it is loaded.
    Raises UserError: they did; it quotes the library.
    """
    heard: list[str] = []

    def listen(record: logging.LogRecord) -> None:
        message = " ".join(_STYLE.sub("", record.getMessage()).split())
        if record.levelno >= logging.WARNING and _MADE_UP in message:
            heard.append(message)

    listener, loggers = logging.Handler(), [logging.getLogger(name) for name in ("diffusers", "transformers")]
    listener.emit = listen  # type: ignore[method-assign]
    for logger in loggers:
        logger.addHandler(listener)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(listener)
    if heard:
        raise UserError(f"{place}: incomplete, some of its weights would be random ({heard[0][:400]})")
