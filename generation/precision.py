"""Number formats and text padding of a run: they move the images, so they are chosen by name and recorded.

``paper``
    Upstream's GenEval script, which the paper's numbers come from: float32 weights under bfloat16 autocast, prompts
    padded to 256 tokens, their embeddings rounded to float16, float32 VAE.
``pipeline``
    ``MiroPipeline`` as its README uses it: on a GPU everything but the text encoder in bfloat16, prompts padded
    to the length in the checkpoint's configuration (77), embeddings in float32.

``auto`` means ``paper`` for every kind of checkpoint: a model's score must not depend on the file format it is in.
On a CPU miro-t2i knows no autocast: both compute in float32, and differ in the text only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wire.protocol import UserError

#: Length that upstream's script (and training) pads prompts to.
PAPER_TEXT_LENGTH = 256
#: Length in the released checkpoints' configuration.
PIPELINE_TEXT_LENGTH = 77


@dataclass(frozen=True)
class Precision:
    """One profile."""

    name: str
    #: Tokens a prompt is cut and padded to; None: the checkpoint's own.
    text_length: int | None
    #: Encode prompts under bfloat16 autocast on a GPU.
    text_autocast: bool
    #: Round embeddings to float16.
    half_embeddings: bool
    #: bfloat16 weights, VAE included, on a GPU.
    half_weights: bool

    def weight_dtype(self, device: Any) -> Any:
        """Type of network and VAE weights on that ``torch.device``."""
        import torch

        return torch.bfloat16 if self.half_weights and device.type == "cuda" else torch.float32

    def embedding_dtype(self) -> Any:
        """Type that text embeddings are kept in."""
        import torch

        return torch.float16 if self.half_embeddings else torch.float32


PAPER = Precision("paper", PAPER_TEXT_LENGTH, text_autocast=True, half_embeddings=True, half_weights=False)
PIPELINE = Precision("pipeline", None, text_autocast=False, half_embeddings=False, half_weights=True)
#: Number formats of a diffusers pipeline; ``auto`` is bfloat16 on a GPU and float32 on a CPU.
FORMATS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

PROFILES = {profile.name: profile for profile in (PAPER, PIPELINE)}


def pipeline_dtype(name: str, device: Any) -> Any:
    """Type of a diffusers pipeline's weights on that ``torch.device``. Raises UserError: a profile of MIRO's."""
    import torch

    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in FORMATS:
        raise UserError(f"precision {name} is MIRO's; for a diffusers pipeline expected auto, {', '.join(FORMATS)}")
    return getattr(torch, FORMATS[name])


def precision_named(name: str) -> Precision:
    """The profile of that name, ``auto`` included. Raises UserError: there is none."""
    if name == "auto":
        return PAPER
    if name not in PROFILES:
        raise UserError(f"precision {name!r} is unknown to MIRO checkpoints; expected auto, {', '.join(PROFILES)}")
    return PROFILES[name]
