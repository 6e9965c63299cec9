"""The formulas against PyTorch's own counter, on the released model's sizes without its weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoints.plain_yaml import read_mapping  # noqa: E402
from generation.flops import (  # noqa: E402 - torch decides whether this module runs
    DecoderShape,
    MiroShape,
    NetworkShape,
    TextShape,
    conditioning_flops,
    decoder_flops,
    encoder_flops,
    miro_flops,
    network_flops,
)
from generation.tiny_world.checkpoint import CONFIG  # noqa: E402

MODEL = read_mapping(CONFIG)["model"]
REWARD_AXES = MODEL["network"]["coherence_keys"]
RELEASED = {
    "data_size": 32,
    "num_input_channels": 4,
    "label_dim": 2048,
    "num_cond_tokens": 77,
    "data_dim": 512,
    "num_latents": 256,
    "latents_dim": 1024,
    "num_processing_layers": 4,
    "num_blocks": 4,
    "patch_size": 2,
    "read_write_heads": 16,
    "compute_heads": 32,
    "data_mlp_multiplier": 4,
    "latent_mlp_multiplier": 4,
    "num_text_registers": 16,
    "coherence_keys": REWARD_AXES,
    "coherence_dropout": 0.0,
    "dropout_strategy": "binomial",
    "use_cond_rin_block": True,
    "concat_cond_token_to_latents": False,
    "use_self_conditioning": True,
}
#: miro-t2i 0.1.4, ``configs/experiment/multi_cad.yaml``; its page says 0.36 B parameters.
PARAMETERS = 360.4e6
TINY = MODEL["network"]["instance"] | {
    "data_size": 8,
    "label_dim": 2048,
    "num_cond_tokens": 77,
    "coherence_keys": REWARD_AXES,
}


def counted(function: Callable[[], Any]) -> float:
    """Operations by PyTorch's counter; without data, so that attention is counted as its two matrix products."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        function()
    return float(counter.get_total_flops())


def network_of(config: dict[str, Any]) -> Any:
    from miro.models.networks.rin import CADRINTextCond

    sizes = {key: value for key, value in config.items() if key != "_target_"}
    with torch.device("meta"):
        return CADRINTextCond(**sizes).eval()


def inputs_for(config: dict[str, Any], text_length: int) -> dict[str, Any]:
    side, channels = config["data_size"], config["num_input_channels"]
    with torch.device("meta"):
        return {
            "y": torch.empty(1, channels, side, side),
            "gamma": torch.empty(1),
            "previous_latents": torch.empty(1, config["num_latents"], config["latents_dim"]),
            "text_tokens_embeddings": torch.empty(1, text_length, config["label_dim"]),
            "text_tokens_mask": torch.empty(1, text_length, dtype=torch.bool),
        } | {f"{axis}_coherence": torch.empty(1) for axis in config["coherence_keys"]}


@pytest.mark.parametrize(("config", "text_length"), [(RELEASED, 256), (RELEASED, 77), (TINY, 256)])
def test_network(config: dict[str, Any], text_length: int) -> None:
    network, batch = network_of(config), inputs_for(config, text_length)
    shape = NetworkShape.from_config(config)
    mapping = counted(lambda: network.cond_mapping(batch))
    whole = counted(lambda: network(batch))
    assert conditioning_flops(shape, text_length) == pytest.approx(mapping, rel=0.001)
    assert network_flops(shape, text_length) == pytest.approx(whole - mapping, rel=0.001)


def test_defaults_are_the_released_network() -> None:
    assert NetworkShape.from_config(RELEASED) == NetworkShape()
    parameters = sum(value.numel() for value in network_of(RELEASED).parameters() if value.is_floating_point())
    assert parameters == pytest.approx(PARAMETERS, rel=1e-3)


@pytest.mark.parametrize("tokens", [32, 256])
def test_text_encoder(tokens: int) -> None:
    from transformers import T5Config, T5EncoderModel

    shape = TextShape()
    sizes = {name: getattr(shape, name) for name in ("d_model", "d_kv", "num_heads", "d_ff", "num_layers")}
    config = T5Config(**sizes, vocab_size=32128, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    with torch.device("meta"):
        encoder = T5EncoderModel(config).eval()
        inputs = torch.empty(1, tokens, dtype=torch.long)
    assert encoder_flops(shape, tokens) == pytest.approx(counted(lambda: encoder(inputs)), rel=0.001)


@pytest.mark.parametrize("side", [8, 32])
def test_decoder(side: int) -> None:
    from diffusers import AutoencoderKL

    shape = DecoderShape()
    config = {
        "block_out_channels": shape.block_out_channels,
        "layers_per_block": shape.layers_per_block,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": shape.latent_channels,
    }
    with torch.device("meta"):
        vae, latents = AutoencoderKL(**config).eval(), torch.empty(1, 4, side, side)
    assert decoder_flops(shape, side) == pytest.approx(counted(lambda: vae.decode(latents)), rel=0.001)


def test_parts_add_up() -> None:
    flops = miro_flops(MiroShape(), guidance=True)
    alone = miro_flops(guidance=False)
    assert flops.step == 2 * alone.step
    assert flops.sweep(2, 3, 50) == 2 * flops.text + 6 * (flops.conditioning + 50 * flops.step + flops.decode)


def test_needs_neither_torch_nor_numpy() -> None:
    program = "import sys, generation.flops; sys.exit(bool({'torch', 'numpy', 'miro'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)
