"""From noise to images: one way through miro-t2i's Euler sampler for every kind of checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from generation.miro_model import MiroModel
from generation.settings import PAPER_GUIDANCE, PAPER_STEPS, GenerationSettings, check_targets, parse_resolution
from wire.errors import UserError

NOT_FINITE = (
    "the VAE's images are not finite: its weights are damaged, or guidance or precision are beyond what it can handle"
)
#: Where the mapped conditioning is in the network's inputs.
MAPPED = "mapped_conditioning"
#: The only guidance that miro-t2i's sampler can carry out on MIRO's network: a growing one starts at zero, for which
#: the sampler skips the negative branch, and then fails at the second step for lack of its latents.
GUIDANCE_TYPE = "constant"


@dataclass(frozen=True)
class SamplerSettings:
    """How images are drawn; targets are in [0, 1], one for each axis, and as many for the negative branch."""

    steps: int
    #: g in (1 + g) conditional - g unconditional; 0 turns guidance off.
    guidance_scale: float
    targets: dict[str, float] = field(default_factory=dict)
    negative_targets: dict[str, float] = field(default_factory=dict)


def sampler_settings(model: MiroModel, asked: GenerationSettings) -> SamplerSettings:
    """Settings with a target for each axis: the user's, else the checkpoint's, else 1.0 (0.0 for the negative branch).
    Raises UserError: a target names an axis the checkpoint lacks, or the checkpoint's guidance cannot be carried out.
    """
    if model.guidance_type != GUIDANCE_TYPE:
        raise UserError(
            f"the checkpoint asks for {model.guidance_type} guidance; miro-t2i can sample {GUIDANCE_TYPE} only"
        )
    size = parse_resolution(asked.resolution)
    if size and list(size) != model.image_size:
        raise UserError(f"this checkpoint makes {model.image_size[0]} x {model.image_size[1]} images and no others")
    check_targets("reward_targets", asked.reward_targets, model.axes)
    check_targets("negative_reward_targets", asked.negative_reward_targets, model.axes)
    wanted = model.default_targets | asked.reward_targets
    return SamplerSettings(
        steps=PAPER_STEPS if asked.steps is None else asked.steps,
        guidance_scale=float(PAPER_GUIDANCE if asked.guidance_scale is None else asked.guidance_scale),
        targets={axis: float(wanted.get(axis, 1.0)) for axis in model.axes},
        negative_targets={axis: float(asked.negative_reward_targets.get(axis, 0.0)) for axis in model.axes},
    )


def sample_latents(
    model: MiroModel, settings: SamplerSettings, noise: Any, embeddings: Any, mask: Any, network: Any = None
) -> Any:
    """Integrate the flow from ``noise``.

    Sampling draws no random numbers, so the latents are a function of the arguments; in floating point they
    depend on the batch's shape too, but not on what else is in the batch.
    ``noise``: float32 (batch, channels, height, width), on the model's device, as all tensors.
    ``embeddings``, ``mask``: (batch, tokens, width), and bool (batch, tokens), True at real tokens.
    ``network``: what is called in place of the model's network: the same, compiled.
    Returns float32 latents, shaped like ``noise``.
    """
    import torch
    from miro.models.sampler import flow_euler_sampler

    batch = {"y": noise, "previous_latents": None, "text_tokens_embeddings": embeddings, "text_tokens_mask": mask}
    network = model.network if network is None else network
    negative, size = model.uncond_embedding, len(noise)
    uncond_tokens = {
        "text_tokens_embeddings": negative.unsqueeze(0).expand(size, -1, -1).contiguous(),
        "text_tokens_mask": torch.ones(size, len(negative), dtype=torch.bool, device=negative.device),
    }
    with torch.inference_mode(), _outer_autocast(model, noise.device), conditioning_mapped_once(model.network) as add:
        return flow_euler_sampler(
            lambda inputs: model.preconditioning(network, add(inputs)),
            copy.copy(batch),
            num_steps=settings.steps,
            scheduler=model.scheduler,
            conditioning_keys=["text_tokens"],
            uncond_tokens=uncond_tokens,
            cfg_rate=settings.guidance_scale,
            guidance_type=model.guidance_type,
            coherence_keys=[f"{axis}_coherence" for axis in model.axes],
            coherence_values=_by_coherence_key(settings.targets),
            uncoherence_values=_by_coherence_key(settings.negative_targets),
        )


def decode_latents(model: MiroModel, latents: Any) -> Any:
    """Images of latents through the VAE: uint8 numpy array (batch, height, width, 3).
    Raises UserError: what the VAE gives is not finite.
    """
    import torch

    vae = model.postprocessing.vae
    dtype = next(vae.parameters()).dtype
    with torch.inference_mode(), finite_decoding(vae, NOT_FINITE):
        return model.postprocessing(latents.to(dtype))


def _by_coherence_key(values: dict[str, float]) -> dict[str, float]:
    """Named as the network and the sampler want them, for both branches alike.

    Upstream's script passes its negative values under ``_uncoherence``, which the sampler never finds.
    """
    return {f"{axis}_coherence": value for axis, value in values.items()}


def _outer_autocast(model: MiroModel, device: Any) -> Any:
    """``MiroPipeline`` opens an autocast around the sampler's own when its weights are not float32."""
    import torch

    dtype = next(model.network.parameters()).dtype
    needed = device.type == "cuda" and dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if needed else torch.bfloat16, enabled=needed)


@contextmanager
def conditioning_mapped_once(network: Any) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Let the network map its conditioning tokens once per batch instead of once per step.

    The mapping sees text and reward targets, neither of which changes over the steps: the result is the same bits,
    for a tenth less work. It is computed anew when the text tensor is another one.

    Yields:
        A function that adds the mapped tokens to the network's inputs, from where the network then takes them. They
        travel there, and not in a closure, so that a compiled network sees tensors only.
    """
    compute = network.cond_mapping
    last: list[Any] = [None, None]

    def add(batch: dict[str, Any]) -> dict[str, Any]:
        text = batch["text_tokens_embeddings"]
        if last[0] is not text:
            last[:] = [text, compute(batch)]
        batch[MAPPED] = last[1]
        return batch

    network.cond_mapping = _already_mapped
    try:
        yield add
    finally:
        del network.cond_mapping


def _already_mapped(batch: dict[str, Any]) -> Any:
    """A function of Python's, for a compiled network is to see through it."""
    return batch[MAPPED]


@contextmanager
def finite_decoding(vae: Any, message: str) -> Iterator[None]:
    """Look at what a VAE's decoder gives before it is cut to 0..255, where NaN becomes black, infinity black or white.

    Without a decoder that can be watched nothing is done.
    Raises UserError: a number is not finite; it has the message.
    """
    import torch

    def check(_module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and not bool(torch.isfinite(output).all()):
            raise UserError(message)

    decoder = getattr(vae, "decoder", None)
    handle = decoder.register_forward_hook(check) if isinstance(decoder, torch.nn.Module) else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def compiled(network: Any, backend: Any = "inductor") -> Any:
    """The network as one graph for one shape, compiled at the first call; its own attributes keep working."""
    import torch

    return torch.compile(network, fullgraph=True, dynamic=False, backend=backend)


@contextmanager
def compile_errors() -> Iterator[None]:
    """Turn a failed compilation, for lack of a C++ compiler for example, into one line."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "torch._functorch")):
            raise
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"--compile: the network cannot be compiled here ({type(error).__name__}: {reason}); omit --compile"
        ) from error
