"""Sampling on a GPU at the released model's sizes, with random weights: how much of the matrix peak is reached.

``python -m bench.gpu.generation``; needs no weights and no network. Operations are counted by ``generation.flops``,
which a test holds to PyTorch's own counter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from bench.gpu import chosen_device, clock, say
from generation.flops import miro_flops
from generation.miro_model import MiroModel
from generation.sampling import SamplerSettings, compiled, decode_latents, sample_latents

AXES = ("clip_score", "aesthetic_score", "image_reward_score", "pick_a_score_score", "hpsv2_score", "vqa_score",
        "sciscore_score")  # fmt: skip
#: Dense bf16 TFLOP/s by a part of the GPU's name (NVIDIA's data sheets: half of what they print with sparsity).
PEAKS = {"H200": 989.4, "H100": 989.4, "A100": 312.0, "L40S": 362.1}
#: The released network's and the SDXL VAE's shapes (miro-t2i 0.1.4's ``multi_cad``).
NETWORK = {
    "data_size": 32, "num_input_channels": 4, "label_dim": 2048, "num_cond_tokens": 77, "data_dim": 512,
    "num_latents": 256, "latents_dim": 1024, "num_processing_layers": 4, "num_blocks": 4, "patch_size": 2,
    "read_write_heads": 16, "compute_heads": 32, "data_mlp_multiplier": 4, "latent_mlp_multiplier": 4,
    "num_text_registers": 16, "coherence_keys": list(AXES), "coherence_dropout": 0.0, "dropout_strategy": "binomial",
    "use_cond_rin_block": True, "concat_cond_token_to_latents": False, "use_self_conditioning": True,
}  # fmt: skip
VAE = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
#: Changes that make them small, to try the script out.
SMALL_NETWORK = {
    "data_size": 8, "data_dim": 64, "num_latents": 16, "latents_dim": 64, "num_processing_layers": 1, "num_blocks": 1,
    "read_write_heads": 2, "compute_heads": 2,
}  # fmt: skip
SMALL_VAE = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
TEXT_LENGTH = 256
#: What sampling should reach of it.
TARGET = 0.35


def build(device: Any, small: bool = False) -> MiroModel:
    """The released model's shapes, or small ones; random weights."""
    import torch
    from diffusers import AutoencoderKL
    from miro.models.networks.rin import CADRINTextCond
    from miro.models.postprocessing import VAEDecoderPostProcessing
    from miro.models.preconditioning import FlowPrecond
    from miro.models.scheduler import LinearScheduler

    torch.manual_seed(0)
    sizes: dict[str, Any] = NETWORK | (SMALL_NETWORK if small else {})
    network, vae = CADRINTextCond(**sizes), AutoencoderKL(**VAE | (SMALL_VAE if small else {}))
    model = MiroModel(
        network=network,
        preconditioning=FlowPrecond(num_latents=sizes["num_latents"], latents_dim=sizes["latents_dim"]),
        postprocessing=VAEDecoderPostProcessing(vae, channel_wise_normalisation=True),
        scheduler=LinearScheduler(start=1, end=0, shift=1.0, clip_min=1e-9),
        uncond_embedding=torch.randn(1, 2048),
        axes=AXES,
        latent_shape=(4, sizes["data_size"], sizes["data_size"]),
        pipeline_text_length=77,
    )
    model.to(device, torch.float32)
    return model


def settings(steps: int) -> SamplerSettings:
    """MIRO's guidance with all targets at their defaults."""
    return SamplerSettings(steps, 7.0, dict.fromkeys(AXES, 1.0), dict.fromkeys(AXES, 0.0))


def measure(model: MiroModel, network: Any, device: Any, batch: int, steps: int) -> tuple[float, float]:
    """Seconds of sampling and of decoding one batch, as ``--precision paper`` does it."""
    import torch

    noise = torch.randn(batch, *model.latent_shape, device=device)
    text = torch.randn(batch, TEXT_LENGTH, 2048, device=device, dtype=torch.float16)
    mask = torch.arange(TEXT_LENGTH, device=device).expand(batch, -1) < 16  # a GenEval prompt's tokens
    sampling = clock(device, lambda: sample_latents(model, settings(steps), noise, text, mask, network))
    return sampling, clock(device, lambda: decode_latents(model, noise))


def report(device: Any, chosen: argparse.Namespace) -> None:
    """Print the table, in Markdown, row by row."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    peak = next((value for part, value in PEAKS.items() if part in name), None)
    flops, model = miro_flops(text_length=TEXT_LENGTH), build(device, chosen.small)
    network = compiled(model.network) if chosen.compile else model.network
    say(f"{name}, torch {torch.__version__}, {chosen.steps} steps, compiled: {chosen.compile}\n")
    say("| batch | images/s | sampling, s | TFLOP/s | of bf16 peak | decode, s |\n|---:|---:|---:|---:|---:|---:|")
    best = 0.0
    for batch in chosen.batches:
        sampling, decode = measure(model, network, device, batch, chosen.steps)
        speed = batch * flops.sampling(chosen.steps) / sampling / 1e12
        best = max(best, speed / peak) if peak else best
        counted = "- | -" if chosen.small else f"{speed:.1f} | {speed / peak:.1%}" if peak else f"{speed:.1f} | -"
        say(f"| {batch} | {batch / (sampling + decode):.2f} | {sampling:.2f} | {counted} | {decode:.2f} |")
    say(f"\ntarget {TARGET:.0%}: {'reached' if best >= TARGET else 'not reached'}" if peak else "\npeak not known")


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.gpu.generation", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--compile", action="store_true", help="measure the compiled network")
    parser.add_argument("--small", action="store_true", help="a small network, to try the script out")
    chosen = parser.parse_args(arguments)
    report(chosen_device(chosen.device), chosen)


if __name__ == "__main__":
    main(sys.argv[1:])
