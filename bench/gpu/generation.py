"""Sampling on a GPU at the released model's sizes, with random weights: how much of the matrix peak is reached.

``python -m bench.gpu.generation``, with the generation environment's Python, from the top of a clone; needs no weights
and no network. Operations are counted by ``generation.flops``, which a test holds to PyTorch's own counter. With
``--device cpu --batches 1 --steps 1`` it shows that the script itself works where there is no GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

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
TEXT_LENGTH = 256
#: What sampling should reach of it.
TARGET = 0.35


def build(device: Any) -> MiroModel:
    """The released model's shapes, random weights."""
    import torch
    from diffusers import AutoencoderKL
    from miro.models.networks.rin import CADRINTextCond
    from miro.models.postprocessing import VAEDecoderPostProcessing
    from miro.models.preconditioning import FlowPrecond
    from miro.models.scheduler import LinearScheduler

    torch.manual_seed(0)
    network, vae = CADRINTextCond(**NETWORK), AutoencoderKL(**VAE)
    model = MiroModel(
        network=network,
        preconditioning=FlowPrecond(num_latents=256, latents_dim=1024),
        postprocessing=VAEDecoderPostProcessing(vae, channel_wise_normalisation=True),
        scheduler=LinearScheduler(start=1, end=0, shift=1.0, clip_min=1e-9),
        uncond_embedding=torch.randn(1, 2048),
        axes=AXES,
        latent_shape=(4, 32, 32),
        pipeline_text_length=77,
    )
    model.to(device, torch.float32)
    return model


def clock(device: Any, function: Any) -> float:
    """Seconds of one call, the GPU's work included; a call before it warms up (and compiles)."""
    import torch

    def whole() -> None:
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    whole()
    started = time.perf_counter()
    whole()
    return time.perf_counter() - started


def measure(model: MiroModel, network: Any, device: Any, batch: int, steps: int) -> tuple[float, float]:
    """Seconds of sampling and of decoding one batch, as ``--precision paper`` does it."""
    import torch

    settings = SamplerSettings(steps, 7.0, dict.fromkeys(AXES, 1.0), dict.fromkeys(AXES, 0.0))
    noise = torch.randn(batch, *model.latent_shape, device=device)
    text = torch.randn(batch, TEXT_LENGTH, 2048, device=device, dtype=torch.float16)
    mask = torch.arange(TEXT_LENGTH, device=device).expand(batch, -1) < 16  # a GenEval prompt's tokens
    sampling = clock(device, lambda: sample_latents(model, settings, noise, text, mask, network))
    return sampling, clock(device, lambda: decode_latents(model, noise))


def rows(device: Any, batches: Sequence[int], steps: int, compile_network: bool) -> list[str]:
    """The table, in Markdown."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    peak = next((value for part, value in PEAKS.items() if part in name), None)
    flops, model = miro_flops(text_length=TEXT_LENGTH), build(device)
    network = compiled(model.network) if compile_network else model.network
    table = [f"{name}, torch {torch.__version__}, {steps} steps, compiled: {compile_network}", ""]
    table += ["| batch | images/s | sampling, s | TFLOP/s | of bf16 peak | decode, s |", "|---|---|---|---|---|---|"]
    best = 0.0
    for batch in batches:
        sampling, decode = measure(model, network, device, batch, steps)
        speed = batch * flops.sampling(steps) / sampling / 1e12
        best = max(best, speed / peak) if peak else best
        share = f"{speed / peak:.1%}" if peak else "-"
        rate = batch / (sampling + decode)
        table.append(f"| {batch} | {rate:.2f} | {sampling:.2f} | {speed:.1f} | {share} | {decode:.2f} |")
    verdict = f"target {TARGET:.0%}: {'reached' if best >= TARGET else 'not reached'}" if peak else "peak not known"
    return [*table, "", verdict]


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser("python -m bench.gpu.generation", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16, 32, 64])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--compile", action="store_true", help="measure the compiled network")
    chosen = parser.parse_args(arguments)
    import torch

    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        print("not run: PyTorch sees no GPU here")  # noqa: T201 - its purpose
        return 0
    device = torch.device(chosen.device)
    print("\n".join(rows(device, chosen.batches, chosen.steps, chosen.compile)))  # noqa: T201 - its purpose
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
