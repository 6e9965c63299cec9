"""Stand-ins for Qwen2-VL's small files and for HPSv3, tensors named as published: older than transformers 4.52."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from rewards.tiny_world.parts import randomise, repository, write_json
from rewards.tiny_world.vlm.tokenizer import CONTROL, save, train

WIDTH, VISION = 64, 48
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def write_hpsv3(hub: Path) -> None:
    """Qwen/Qwen2-VL-7B-Instruct without weights, and MizzenAI/HPSv3."""
    base, tokenizer = repository(hub, "Qwen/Qwen2-VL-7B-Instruct"), train(())
    rows = tokenizer.get_vocab_size() + 1  # the reward token's is behind the tokenizer's
    ids = {token: tokenizer.token_to_id(token) for token in CONTROL}
    config: dict[str, Any] = {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "torch_dtype": "bfloat16",
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "vocab_size": rows,
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "tie_word_embeddings": False,
        "vision_config": {
            "depth": 2,
            "embed_dim": VISION,
            "mlp_ratio": 4,
            "num_heads": 4,
            "in_chans": 3,
            "hidden_size": WIDTH,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
        },
    }
    write_json(base / "config.json", config)
    save(tokenizer, base, system="You are a helpful assistant.")
    write_json(base / "preprocessor_config.json", {
        "min_pixels": 3136, "max_pixels": 12_845_056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": MEAN, "image_std": STD, "processor_class": "Qwen2VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
    })  # fmt: skip
    model = randomise(Qwen2VLForConditionalGeneration(Qwen2VLConfig(**config)).eval(), 81, gain=1.0)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(WIDTH**0.5)
    weights = {_published(name): value.to(torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    head = nn.Sequential(
        nn.Linear(WIDTH, 1024), nn.ReLU(), nn.Dropout(), nn.Linear(1024, 16), nn.ReLU(), nn.Linear(16, 2)
    )
    weights |= {f"rm_head.{name}": value for name, value in randomise(head, 82).state_dict().items()}
    save_file(weights, repository(hub, "MizzenAI/HPSv3") / "HPSv3.safetensors", {"format": "pt"})


def _published(name: str) -> str:
    return name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")
