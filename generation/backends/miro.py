"""MIRO checkpoints of every kind."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from generation.backends.backend import Say, memory_errors, package_versions
from generation.batches import Batch, prompts_of
from generation.checkpoint_kinds import CheckpointSource
from generation.checkpoints import LoadedCheckpoint, load_checkpoint
from generation.device import choose_device, device_name
from generation.hparams import sampler_settings, upstream_hparams
from generation.noise import UPSTREAM, UpstreamNoise, image_noise, upstream_generator
from generation.parameters import Parameters
from generation.precision import precision_named
from generation.sampling import decode_latents, sample_latents
from generation.text_encoding import EncodedPrompt, TextEncoder, stack_prompts
from harness.protocol import Item, UserError

#: Packages whose versions go into the manifest.
PACKAGES = ("miro-t2i", "torch", "transformers", "diffusers", "numpy", "pillow")


class MiroBackend:
    """One checkpoint on one device, with one set of settings. See :class:`generation.backends.backend.Backend`."""

    def __init__(self, source: CheckpointSource, parameters: Parameters) -> None:
        """Load the checkpoint and the text encoder."""
        warnings.filterwarnings("ignore", message="CUDA is not available.*Disabling autocast")
        self._parameters = parameters
        self._device, self._precision = choose_device(parameters.device), precision_named(parameters.precision)
        checkpoint, self._noise = self._load(source)
        self._model = checkpoint.model
        self._settings = sampler_settings(self._model, parameters)
        self._text_length = self._precision.text_length or self._model.pipeline_text_length
        self._encoder = TextEncoder(self._device, self._precision, self._text_length)
        self._prompts: dict[int, EncodedPrompt] = {}
        self.provenance = {
            "device": device_name(self._device),
            "packages": package_versions(*PACKAGES),
            "hparams": upstream_hparams(source, self._model, self._settings, parameters.seed),
            "image_size": self._model.image_size,
            "precision": self._precision.name,
            "weights": [*checkpoint.weights(), self._encoder.weights],
        }

    def _load(self, source: CheckpointSource) -> tuple[LoadedCheckpoint, Callable[[int, int], Any]]:
        """The checkpoint and its noise: upstream's depends on what building a model draws from the seeded generator."""
        import torch

        seed, size = self._parameters.seed, self._parameters.batch_size
        torch.manual_seed(seed)
        checkpoint = load_checkpoint(source, self._parameters.trust_checkpoint)
        shape = checkpoint.model.latent_shape
        if self._parameters.noise != UPSTREAM:
            return checkpoint, lambda prompt, sample: image_noise(seed, prompt, sample, shape)
        generator = upstream_generator(seed, self._device, torch.get_rng_state())
        return checkpoint, UpstreamNoise(generator, self._parameters.parsed_sweep, size, shape)

    def prepare(self, batches: Sequence[Batch], say: Say) -> None:
        """Encode all prompts, then give the text encoder's place to the network."""
        total = len(prompts_of(batches))
        encode = encode_groups if self._parameters.noise == UPSTREAM else encode_each
        for index, embedding in encode(self._encoder, batches):
            self._prompts[index] = embedding
            say(f"encoding prompt {len(self._prompts)} of {total}")
        del self._encoder
        gc.collect()
        self._model.to(self._device, self._precision.weight_dtype(self._device))

    def make(self, batch: Batch) -> Any:
        """Images, uint8 (len(batch.items), height, width, 3).

        Raises:
            UserError: the batch does not fit into the device's memory, or the network's answer is not finite.
        """
        with memory_errors(self._device, batch.size):
            return self._sample(batch.filled)[: len(batch.items)]

    def _sample(self, items: Sequence[Item]) -> Any:
        import torch

        noise = torch.stack([self._noise(item.prompt_index, item.sample_index) for item in items])
        prompts = [self._prompts[item.prompt_index] for item in items]
        embeddings, mask = stack_prompts(prompts, self._text_length, self._device)
        latents = sample_latents(self._model, self._settings, noise.to(self._device), embeddings, mask)
        if not bool(torch.isfinite(latents).all()):
            raise UserError(
                f"the network's latents are not finite (prompt {items[0].prompt_index} or near it): "
                "its weights are damaged, or guidance or precision are beyond what it bears"
            )
        return decode_latents(self._model, latents)


def encode_each(encoder: TextEncoder, batches: Sequence[Batch]) -> Iterator[tuple[int, EncodedPrompt]]:
    """Prompt index and embedding of all prompts; equal prompts are encoded once."""
    indices: dict[str, list[int]] = {}
    for index, prompt in prompts_of(batches).items():
        indices.setdefault(prompt, []).append(index)
    for prompt, encoded in encoder.encode(indices):
        yield from ((index, encoded) for index in indices[prompt])


def encode_groups(encoder: TextEncoder, batches: Sequence[Batch]) -> Iterator[tuple[int, EncodedPrompt]]:
    """The same as upstream does it: a batch's prompts together, padded to their longest, which moves last bits."""
    groups = {tuple((item.prompt_index, item.prompt) for item in batch.items) for batch in batches}
    for group in sorted(groups):
        encoded = encoder.encode_together([prompt for _, prompt in group])
        yield from zip((index for index, _ in group), encoded, strict=True)
