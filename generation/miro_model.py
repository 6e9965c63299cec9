"""A loaded MIRO checkpoint, of whichever kind: the parts that sampling needs and the settings it came with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from generation.hub import file_sha256

#: Repositories that every MIRO checkpoint builds on (named in miro-t2i; no checkpoint carries the text encoder).
TEXT_ENCODER_REPO = "google/flan-t5-xl"
VAE_REPO = "stabilityai/sdxl-vae"
VAE_FILE = "diffusion_pytorch_model.safetensors"


@dataclass
class MiroModel:
    """What both loaders return."""

    #: ``CADRINTextCond`` with the EMA weights.
    network: Any
    #: ``FlowPrecond``.
    preconditioning: Any
    #: ``VAEDecoderPostProcessing``: latents to uint8 images.
    postprocessing: Any
    #: Noise level of a time in [0, 1].
    scheduler: Any
    #: Text embedding of the guidance's negative branch, float32 (tokens, width).
    uncond_embedding: Any
    #: Reward axes the network was trained on, e.g. ``clip_score``.
    axes: tuple[str, ...]
    #: (channels, height, width).
    latent_shape: tuple[int, int, int]
    #: Tokens that ``MiroPipeline`` pads to.
    pipeline_text_length: int
    #: Reward targets the checkpoint's configuration asks for; an axis without one gets 1.0.
    default_targets: dict[str, float] = field(default_factory=dict)
    guidance_type: str = "constant"
    #: What the configuration says; recorded only.
    negative_prompts: str | None = None

    @property
    def image_size(self) -> list[int]:
        """[width, height] in pixels: the VAE doubles the latents between each two of its levels."""
        levels = len(self.postprocessing.vae.config.block_out_channels)
        return [side * 2 ** (levels - 1) for side in (self.latent_shape[2], self.latent_shape[1])]

    def to(self, device: Any, dtype: Any) -> None:
        """Move the parts to a device and floating-point type."""
        for part in (self.network, self.preconditioning, self.postprocessing):
            part.eval().requires_grad_(False).to(device=device, dtype=dtype)
        self.uncond_embedding = self.uncond_embedding.to(device=device, dtype=dtype)


@dataclass
class LoadedCheckpoint:
    """A model on the CPU, in float32, and its provenance: its files, its VAE's, and repository and commit if any."""

    model: MiroModel
    files: list[Path]
    vae: dict[str, str]
    repo: str = ""
    revision: str = ""

    @cached_property
    def weights(self) -> list[dict[str, str]]:
        """For ``run.json``: each file's name and sha256, and repository and commit where it has them."""
        origin = {"repo": self.repo, "revision": self.revision} if self.repo else {}
        return [*(origin | {"file": path.name, "sha256": file_sha256(path)} for path in self.files), self.vae]
