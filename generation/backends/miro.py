"""MIRO checkpoints of every kind."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.backends import Say, memory_errors, package_versions
from generation.batches import Batch, prompts_of
from generation.checkpoint_kinds import CheckpointSource
from generation.checkpoints import load_checkpoint
from generation.device import device_name, free_memory, torch_device
from generation.hub import repo_weights
from generation.miro_model import TEXT_ENCODER_REPO, LoadedCheckpoint
from generation.noise import UPSTREAM, UpstreamNoise, image_noise, upstream_generator
from generation.parameters import Parameters
from generation.planned_files import stamps
from generation.precision import precision_named
from generation.sampling import (
    SamplerSettings,
    compile_errors,
    compiled,
    decode_latents,
    sample_latents,
    sampler_settings,
)
from generation.text_encoding import EncodedPrompt, TextEncoder, encode_with_cache, encoder_identity, stack_prompts
from wire.arrays import ArrayCache
from wire.grouping import grouped
from wire.protocol import Item, UserError

#: Packages whose versions go into the manifest.
PACKAGES = ("miro-t2i", "torch", "transformers", "diffusers", "numpy", "pillow")


class MiroBackend:
    """One checkpoint on one device, with one set of settings. See :class:`generation.backends.Backend`."""

    def __init__(self, source: CheckpointSource, parameters: Parameters) -> None:
        warnings.filterwarnings("ignore", message="CUDA is not available.*Disabling autocast")
        self._parameters = parameters
        self._device, self._precision = torch_device(parameters.device), precision_named(parameters.precision)
        checkpoint, self._noise = self._load(source)
        self._model = checkpoint.model
        self._settings = sampler_settings(self._model, parameters)
        self._text_length = self._precision.text_length or self._model.pipeline_text_length
        self._prompts: dict[int, EncodedPrompt] = {}
        self._network = self._model.network
        self.gpu = str(self._device) if self._device.type == "cuda" else None
        self.provenance = {
            "device": device_name(self._device),
            "packages": package_versions(*PACKAGES),
            "hparams": self._upstream_hparams(source),
            "image_size": self._model.image_size,
            "precision": self._precision.name,
            "weights": [*checkpoint.weights, repo_weights(TEXT_ENCODER_REPO)],
        }

    def _upstream_hparams(self, source: CheckpointSource) -> dict[str, Any]:
        """Upstream's ``hparams.json`` without ``n_samples``, and with the checkpoint's name in place of its path.

        ``negative_prompts`` is what the configuration says. ``random_prompt`` wants an embedding that miro-t2i does
        not ship; upstream then falls back to the unconditional one, as is done here.
        """
        model, settings = self._model, self._settings
        return {
            "checkpoint": source.path.name if source.path else source.repo,
            "steps": settings.steps,
            "cfg": settings.guidance_scale,
            "seed": self._parameters.seed,
            "coherence_keys": [f"{axis}_coherence" for axis in model.axes],
            "coherence_values": {f"{axis}_coherence": settings.targets[axis] for axis in model.axes},
            "uncoherence_values": {f"{axis}_uncoherence": settings.negative_targets[axis] for axis in model.axes},
            "guidance_type": model.guidance_type,
            "negative_prompts": model.negative_prompts,
        }

    def _load(self, source: CheckpointSource) -> tuple[LoadedCheckpoint, Callable[[int, int], Any]]:
        """The checkpoint and its noise: upstream's depends on what building a model draws from the seeded generator."""
        import torch

        seed = self._parameters.seed
        if self._parameters.noise != UPSTREAM:
            # Kept for the worker's next job: the points of a sweep share it.
            kind = (str(self._device), self._precision.weight_dtype(self._device))
            checkpoint = _last_loaded(source, self._parameters.trust_checkpoint, tuple(stamps(source).items()), kind)
            shape = checkpoint.model.latent_shape
            return checkpoint, lambda prompt, sample: image_noise(seed, prompt, sample, shape)
        torch.manual_seed(seed)
        checkpoint = load_checkpoint(source, self._parameters.trust_checkpoint)
        shape = checkpoint.model.latent_shape
        generator = upstream_generator(seed, self._device, torch.get_rng_state())
        return checkpoint, UpstreamNoise(
            generator, self._parameters.parsed_sweep, self._parameters.fixed_batch_size, shape
        )

    def prepare(self, batches: Sequence[Batch], say: Say, warn: Say) -> None:
        """Encode all prompts, then give the text encoder's place to the network."""
        total = len(prompts_of(batches))
        for index, embedding in self._encode(batches, warn):
            self._prompts[index] = embedding
            say(f"encoding prompt {len(self._prompts)} of {total}")
        free_memory()
        self._model.to(self._device, self._precision.weight_dtype(self._device))
        if self._parameters.compile:
            self._network = compiled(self._model.network)

    def _encode(self, batches: Sequence[Batch], warn: Say) -> Iterator[tuple[int, EncodedPrompt]]:
        """Prompt index and embedding of all prompts. Upstream's depend on their neighbours, and are not kept."""
        kind, folder = (self._device, self._precision, self._text_length), self._parameters.text_cache
        if self._parameters.noise == UPSTREAM:
            yield from encode_groups(TextEncoder(*kind), batches)
            return

        def open_cache() -> ArrayCache | None:
            identity = encoder_identity(*kind) if folder else None
            return ArrayCache(Path(folder), identity, "text embeddings", warn) if folder and identity else None

        indices = grouped((prompt, index) for index, prompt in prompts_of(batches).items())
        for prompt, encoded in encode_with_cache(indices, lambda: TextEncoder(*kind), open_cache):
            yield from ((index, encoded) for index in indices[prompt])

    def probe(self, batch: Batch) -> None:
        """One step takes as much memory as all; see :class:`generation.backends.Backend`."""
        with memory_errors(self._device, batch.size), compile_errors():
            self._sample(batch.filled, replace(self._settings, steps=1))

    def make(self, batch: Batch) -> Any:
        """Images of the batch, as one array; see :class:`generation.backends.Backend`."""
        with memory_errors(self._device, batch.size), compile_errors():
            return self._sample(batch.filled, self._settings)[: len(batch.items)]

    def _sample(self, items: Sequence[Item], settings: SamplerSettings) -> Any:
        import torch

        noise = torch.stack([self._noise(item.prompt_index, item.sample_index) for item in items])
        prompts = [self._prompts[item.prompt_index] for item in items]
        embeddings, mask = stack_prompts(prompts, self._text_length, self._device)
        latents = sample_latents(self._model, settings, noise.to(self._device), embeddings, mask, self._network)
        if not bool(torch.isfinite(latents).all()):
            raise UserError(
                f"the network's latents are not finite (prompt {items[0].prompt_index} or near it): "
                "its weights are damaged, or guidance or precision are beyond what it can handle"
            )
        return decode_latents(self._model, latents)


@functools.lru_cache(maxsize=1)
def _last_loaded(source: CheckpointSource, trusted: bool, _stamps: object, _kind: object) -> LoadedCheckpoint:
    return load_checkpoint(source, trusted)


def encode_groups(encoder: TextEncoder, batches: Sequence[Batch]) -> Iterator[tuple[int, EncodedPrompt]]:
    """As upstream encodes: a batch's prompts together, padded to their longest, which moves last bits."""
    groups = {tuple((item.prompt_index, item.prompt) for item in batch.items) for batch in batches}
    for group in sorted(groups):
        encoded = encoder.encode_together([prompt for _, prompt in group])
        yield from zip((index for index, _ in group), encoded, strict=True)
