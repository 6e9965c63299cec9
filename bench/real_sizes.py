"""Random weights of real size in a tiny world: for ``bench.rewards --real`` and ``bench.generation --real``.

PYTHONPATH=. <rewards environment's python> -m bench.real_sizes FOLDER METRIC
PYTHONPATH=. <generation environment's python> -m bench.real_sizes FOLDER generation

A metric's are in half precision, as published; of generation 8 GB are written, in float32.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: ViT-H/14 of laion's CLIP, in transformers' terms (the model's config.json).
VIT_H: dict[str, Any] = {
    "text_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
        "projection_dim": 1024,
        "eos_token_id": 2,
    },
    "vision_config": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "patch_size": 14,
        "hidden_act": "gelu",
        "projection_dim": 1024,
    },
    "projection_dim": 1024,
}
#: OpenAI's ViT-L/14 (Radford et al. 2021), in the arguments of ``clip.model.CLIP``.
VIT_L: dict[str, int] = {
    "embed_dim": 768,
    "image_resolution": 224,
    "vision_layers": 24,
    "vision_width": 1024,
    "vision_patch_size": 14,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 768,
    "transformer_heads": 12,
    "transformer_layers": 12,
}
#: ImageReward's ViT-L/16 and BERT-base (``vit.py`` and ``med_config.json`` of its package).
BLIP_VISION: dict[str, int] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 16,
}
BLIP_TEXT: dict[str, int] = {"num_hidden_layers": 12, "intermediate_size": 3072}
#: Smaller than the tiny world's: deep networks would be driven into extremes.
GAIN = 1.0
#: Of MIRO's network, and smaller for the same reason.
EMA_NOISE = 0.002


def write_miro(world: Path) -> None:
    """A tiny world in which MIRO's network, the VAE and FLAN-T5-XL's encoder have their real sizes.

    The vocabulary stays the tiny world's: looking up an embedding is no arithmetic.
    """
    from generation.tiny_world.__main__ import write_world

    write_world(world)  # from here on the hub's libraries know the world
    import json

    import torch
    from diffusers import AutoencoderKL
    from miro.models.diffusion import DiffusionModule
    from omegaconf import OmegaConf
    from transformers import T5Config, T5EncoderModel

    from bench.gpu.generation import NETWORK, VAE
    from generation.flops import TextShape
    from wire.hub import Repository

    torch.manual_seed(0)
    vae, text = (Repository(repo).snapshot for repo in ("stabilityai/sdxl-vae", "google/flan-t5-xl"))
    AutoencoderKL(**VAE, sample_size=256, scaling_factor=0.13025).save_pretrained(vae)
    small = json.loads((text / "config.json").read_text(encoding="utf-8"))
    gated = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    T5EncoderModel(T5Config(vocab_size=small["vocab_size"], **vars(TextShape()), **gated)).save_pretrained(text)
    folder = world / "checkpoints" / "tiny-miro"
    config = OmegaConf.load(folder / "config.yaml")
    config.data.img_resolution, config.data.data_resolution = 8 * NETWORK["data_size"], NETWORK["data_size"]
    sizes = {name: NETWORK[name] for name in NETWORK.keys() & config.model.network.instance.keys()}
    config.model.network.instance.update(sizes | {"coherence_keys": "${model.network.coherence_keys}"})
    OmegaConf.save(config, folder / "config.yaml", resolve=False)
    module = DiffusionModule(config.model)
    with torch.no_grad():
        for parameter in module.ema_network.parameters():  # layers that start at zero have something to say
            if parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter) * EMA_NOISE)
    version = {"pytorch-lightning_version": "2.6.0", "epoch": 0, "global_step": 1}
    torch.save({"state_dict": module.state_dict(), **version}, folder / "last.ckpt")


def write_real(metric: str, world: Path) -> None:
    """A tiny world in which this metric's model has its real size."""
    os.environ |= {"HF_HOME": str(world), "HF_HUB_OFFLINE": "1"}
    from rewards.tiny_world.world import write_world

    write_world(world)
    _WRITERS[metric](world)


def _aesthetic(world: Path) -> None:
    import torch
    from clip.model import CLIP

    from rewards.tiny_world.parts import randomise, state

    model = randomise(CLIP(**VIT_L), 1, keep=("logit_scale",), gain=GAIN)
    torch.save(state(model), world / "files" / "clip-vit-l-14.pt")


def _image_reward(world: Path) -> None:
    import json

    import torch

    from rewards.hub import snapshot
    from rewards.tiny_world.blip import checkpoint
    from rewards.tiny_world.parts import write_json

    folder = snapshot("THUDM/ImageReward", ["*"])
    med = json.loads((folder / "med_config.json").read_text(encoding="utf-8")) | BLIP_TEXT
    write_json(folder / "med_config.json", med)
    torch.save(checkpoint(med, BLIP_VISION), folder / "ImageReward.pt")


def _clip(repo: str) -> Callable[[Path], None]:
    def write(_: Path) -> None:
        from transformers import CLIPConfig, CLIPModel
        from transformers.modeling_utils import no_init_weights

        from rewards.hub import snapshot
        from rewards.tiny_world.parts import randomise

        with no_init_weights():
            model = CLIPModel(CLIPConfig(**VIT_H))
        reset_norms(model)
        randomise(model, 2, keep=("logit_scale",), gain=GAIN).half().save_pretrained(snapshot(repo))

    return write


def _hps(_: Path) -> None:
    import open_clip
    import torch

    from rewards.hub import hub_file
    from rewards.tiny_world.parts import randomise, state

    model = open_clip.model.CLIP(**open_clip.get_model_config("ViT-H-14"))
    path = hub_file("xswu/HPSv2", "HPS_v2.1_compressed.pt").path
    torch.save({"state_dict": state(randomise(model, 3, keep=("logit_scale",), gain=GAIN))}, path)


def reset_norms(model: Any) -> None:
    """Norms and the logit scale as they are before training; ``no_init_weights`` leaves them undefined."""
    import torch
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    torch.nn.init.constant_(model.logit_scale, 4.6052)


_WRITERS: dict[str, Callable[[Path], None]] = {
    "aesthetic": _aesthetic,
    "image_reward": _image_reward,
    "pick_score": _clip("yuvalkirstain/PickScore_v1"),
    "hpsv2.1": _hps,
    "sciscore": _clip("Jialuo21/SciScore"),
}


if __name__ == "__main__":
    place, what = Path(sys.argv[1]).resolve(), sys.argv[2]
    write_miro(place) if what == "generation" else write_real(what, place)
