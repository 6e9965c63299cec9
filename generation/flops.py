"""How much arithmetic an image costs, from the shapes of the models that make it.

Standard library only: a cost estimate must need neither PyTorch nor weights. Counted are matrix products, convolutions
and attention, a multiplication and an addition as two operations; the rest is below one per cent at MIRO's sizes. A
test holds the formulas to PyTorch's own counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from generation.precision import PAPER_TEXT_LENGTH, PIPELINE, PIPELINE_TEXT_LENGTH


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of MIRO's network (RIN with text and reward conditioning), named as its configuration names them.

    Defaults are the released 0.36 B model's.
    """

    data_size: int = 32
    num_input_channels: int = 4
    label_dim: int = 2048
    data_dim: int = 512
    num_latents: int = 256
    latents_dim: int = 1024
    num_processing_layers: int = 4
    num_blocks: int = 4
    patch_size: int = 2
    data_mlp_multiplier: int = 4
    latent_mlp_multiplier: int = 4
    num_text_registers: int = 16
    num_rewards: int = 7

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NetworkShape:
        """Sizes in a checkpoint's ``model.network.instance`` section, interpolations resolved; others are ignored."""
        known = {item.name: int(config[item.name]) for item in fields(cls) if item.name in config}
        rewards = {"num_rewards": len(config["coherence_keys"])} if "coherence_keys" in config else {}
        return cls(**known | rewards)

    @property
    def patches(self) -> int:
        """Tokens of the image's latents."""
        return (self.data_size // self.patch_size) ** 2


@dataclass(frozen=True)
class TextShape:
    """Sizes of a T5 encoder with gated feed-forward layers; defaults are FLAN-T5-XL's (transformers' ``T5Config``)."""

    d_model: int = 2048
    d_kv: int = 64
    num_heads: int = 32
    d_ff: int = 5120
    num_layers: int = 24


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a VAE's decoder; defaults are SDXL's (diffusers' ``AutoencoderKL``)."""

    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    latent_channels: int = 4
    out_channels: int = 3


@dataclass(frozen=True)
class ImageFlops:
    """Operations, by part: of one prompt, which its samples share, and of one image, both branches of the guidance."""

    text: float
    #: Mapping text and rewards; once, not once a step.
    conditioning: float
    #: One sampler step.
    step: float
    #: The VAE's decoder.
    decode: float

    def sampling(self, steps: int) -> float:
        """Operations of sampling one image's latents."""
        return self.conditioning + steps * self.step

    def sweep(self, prompts: int, samples: int, steps: int) -> float:
        """Operations of a whole sweep, each prompt encoded once."""
        return prompts * self.text + prompts * samples * (self.sampling(steps) + self.decode)


@dataclass(frozen=True)
class MiroShape:
    """All the models behind a MIRO image; the defaults are the released one."""

    network: NetworkShape = field(default_factory=NetworkShape)
    text: TextShape = field(default_factory=TextShape)
    decoder: DecoderShape = field(default_factory=DecoderShape)


def miro_flops(
    shape: MiroShape | None = None, prompt_tokens: int = 32, text_length: int = 256, guidance: bool = True
) -> ImageFlops:
    """Operations per prompt, image and step; of the released model by default.

    A prompt is padded to ``prompt_tokens`` when it is encoded (GenEval's fit into 32), and to ``text_length`` for the
    network: 256 under ``--precision paper``, 77 under ``pipeline``. Guidance means two branches, not one.
    """
    shape = shape or MiroShape()
    branches = 2 if guidance else 1
    return ImageFlops(
        text=encoder_flops(shape.text, prompt_tokens),
        conditioning=branches * conditioning_flops(shape.network, text_length),
        step=branches * network_flops(shape.network, text_length),
        decode=decoder_flops(shape.decoder, shape.network.data_size),
    )


def released_flops(precision: str, rewards: int | None = None) -> ImageFlops:
    """The same of a network of the released sizes, with so many reward targets (the released 7), under a precision."""
    network = NetworkShape() if rewards is None else replace(NetworkShape(), num_rewards=rewards)
    length = PIPELINE_TEXT_LENGTH if precision == PIPELINE.name else PAPER_TEXT_LENGTH
    return miro_flops(MiroShape(network=network), text_length=length)


def encoder_flops(text: TextShape, tokens: int) -> float:
    """One prompt, padded to that many tokens, through a T5 encoder."""
    inner = text.d_kv * text.num_heads
    layer = 4 * _linear(tokens, text.d_model, inner) + 3 * _linear(tokens, text.d_model, text.d_ff)
    return text.num_layers * (layer + _attention(tokens, tokens, inner))


def conditioning_flops(network: NetworkShape, text_length: int) -> float:
    """``cond_mapping``: a linear layer over the text, an embedder for each reward, two transformer blocks."""
    width = network.latents_dim
    tokens = network.num_rewards + network.num_text_registers + text_length
    block = (
        _linear(tokens, width, 4 * width) + _attention(tokens, tokens, width) + 2 * _linear(tokens, width, 4 * width)
    )
    rewards = network.num_rewards * _time_embedder(width)
    return _linear(text_length, network.label_dim, width) + rewards + 2 * block


def network_flops(network: NetworkShape, text_length: int) -> float:
    """One forward pass of one row, without ``cond_mapping``."""
    patches, width, latents = network.patches, network.latents_dim, network.num_latents
    ends = 2 * _linear(patches, network.num_input_channels * network.patch_size**2, network.data_dim)
    previous = 2 * _linear(latents, width, network.latent_mlp_multiplier * width)
    return ends + _time_embedder(width) + previous + network.num_blocks * _block(network, text_length)


def _block(network: NetworkShape, text_length: int) -> float:
    """Read the conditioning, read the patches, process, write the patches."""
    patches, latents, wide, narrow = network.patches, network.num_latents, network.latents_dim, network.data_dim
    conditions = 1 + network.num_rewards + network.num_text_registers + text_length
    think = network.latent_mlp_multiplier
    inner = min(wide, narrow)
    process = _linear(latents, wide, 4 * wide) + _attention(latents, latents, wide) + _swiglu(latents, wide, think)
    return (
        _cross_attention(latents, wide, conditions, wide, wide)
        + _swiglu(latents, wide, think)
        + _cross_attention(latents, wide, patches, narrow, inner)
        + _swiglu(latents, wide, think)
        + network.num_processing_layers * process
        + _cross_attention(patches, narrow, latents, wide, inner)
        + _swiglu(patches, narrow, network.data_mlp_multiplier)
    )


def decoder_flops(decoder: DecoderShape, latent_size: int) -> float:
    """The VAE's decoder on square latents of that side."""
    channels, side = decoder.block_out_channels[::-1], latent_size
    deepest, pixels = channels[0], latent_size**2
    flops = _convolution(pixels, decoder.latent_channels, decoder.latent_channels, 1)
    flops += _convolution(pixels, decoder.latent_channels, deepest, 3)
    flops += 2 * _resnet(pixels, deepest, deepest) + 4 * _linear(pixels, deepest, deepest)
    flops += _attention(pixels, pixels, deepest)
    before = deepest
    for level, width in enumerate(channels):
        for layer in range(decoder.layers_per_block + 1):
            flops += _resnet(side**2, before if layer == 0 else width, width)
        if level < len(channels) - 1:
            side *= 2
            flops += _convolution(side**2, width, width, 3)
        before = width
    return flops + _convolution(side**2, before, decoder.out_channels, 3)


def _resnet(pixels: int, before: int, after: int) -> float:
    shortcut = _convolution(pixels, before, after, 1) if before != after else 0.0
    return _convolution(pixels, before, after, 3) + _convolution(pixels, after, after, 3) + shortcut


def _convolution(pixels: int, before: int, after: int, kernel: int) -> float:
    return 2.0 * pixels * before * after * kernel**2


def _linear(tokens: int, before: int, after: int) -> float:
    return 2.0 * tokens * before * after


def _attention(queries: int, keys: int, width: int) -> float:
    """Scores and weighted sum, all heads."""
    return 4.0 * queries * keys * width


def _cross_attention(queries: int, query_width: int, keys: int, key_width: int, inner: int) -> float:
    ends = 2 * _linear(queries, query_width, inner) + _linear(keys, key_width, 2 * inner)
    return ends + _attention(queries, keys, inner)


def _swiglu(tokens: int, width: int, multiplier: int) -> float:
    """miro-t2i takes two thirds of the width it is asked for, rounded up to a multiple of 256."""
    hidden = -(-int(width * multiplier * 2 / 3) // 256) * 256
    return 3 * _linear(tokens, width, hidden)


def _time_embedder(width: int) -> float:
    return _linear(1, width // 4, width) + _linear(1, width, width)
