"""Makes batches of images with one loaded checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generation.miro_model import MiroModel
from generation.noise import image_noise
from generation.sampling import SamplerSettings, decode_latents, sample_latents
from generation.text_encoding import EncodedPrompt, stack_prompts
from harness.protocol import Item, UserError


@dataclass(frozen=True)
class ImageMaker:
    """One checkpoint on one device, with one set of settings.

    Attributes:
        model: on ``device``.
        device: ``torch.device``.
        settings: of the sampler.
        prompts: every prompt that will be asked for, encoded.
        text_length: tokens that prompts are padded to.
        seed: of the noise.
        batch_size: images sampled together, always.
    """

    model: MiroModel
    device: Any
    settings: SamplerSettings
    prompts: Mapping[str, EncodedPrompt]
    text_length: int
    seed: int
    batch_size: int

    def make(self, batch: Sequence[Item]) -> Any:
        """Images of a batch: uint8 (len(batch), height, width, 3).

        A short batch is filled up with its last item: floating point depends on the batch's shape.

        Raises:
            UserError: the batch does not fit into the device's memory, or the network's answer is not finite.
        """
        import torch

        filled = [*batch, *[batch[-1]] * (self.batch_size - len(batch))]
        try:
            return self._sample(filled)[: len(batch)]
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"out of memory on {self.device} with batch size {self.batch_size}; use a smaller one"
            ) from error

    def _sample(self, batch: Sequence[Item]) -> Any:
        import torch

        shape = self.model.latent_shape
        noise = torch.stack([image_noise(self.seed, item.prompt_index, item.sample_index, shape) for item in batch])
        prompts = [self.prompts[item.prompt] for item in batch]
        embeddings, mask = stack_prompts(prompts, self.text_length, self.device)
        latents = sample_latents(self.model, self.settings, noise.to(self.device), embeddings, mask)
        if not bool(torch.isfinite(latents).all()):
            raise UserError(
                f"the network's latents are not finite (prompt {batch[0].prompt_index} or near it): "
                "its weights are damaged, or guidance or precision are beyond what it bears"
            )
        return decode_latents(self.model, latents)
