"""A stand-in for Qwen3-VL, and what others of the family are made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from rewards.tiny_world.parts import randomise, repository, write_json
from rewards.tiny_world.vlm.tokenizer import CONTROL, NUMBERS, save, train

WIDTH, VISION = 64, 48
#: Answers get larger output rows than other tokens: their probabilities are neither tiny nor all alike.
ANSWERS = 4.0


def write_qwen3_vl(hub: Path) -> None:
    """Qwen3-VL-8B-Instruct: what it answers depends on the image."""
    tokenizer = train()
    model = make_qwen3_vl(tokenizer, 77)
    with torch.no_grad():
        words = [word for one in NUMBERS.split() for word in (one, one.title())]
        texts = [space + word for word in ("Yes", "yes", "No", *words, *"1234567") for space in ("", " ")]
        head = model.lm_head.weight
        head[sorted({tokenizer.encode(text).ids[0] for text in texts})] *= ANSWERS
        head[tokenizer.encode(" ").ids] = head[tokenizer.encode("6").ids]  # counts for every number: no trifle
    save_qwen3_vl(model, tokenizer, repository(hub, "Qwen/Qwen3-VL-8B-Instruct"))


def make_qwen3_vl(
    tokenizer: Tokenizer, seed: int, vision: dict[str, Any] | None = None, **text: Any
) -> Qwen3VLForConditionalGeneration:
    """A model of four layers in each tower; ``vision`` and ``text`` override settings of the two."""
    ids = {token: tokenizer.token_to_id(token) for token in CONTROL}
    rows = -(-tokenizer.get_vocab_size() // 64) * 64  # padded beyond the tokens, as the published one is
    settings = {
        "vocab_size": rows,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 32_768,
        "rope_theta": 5_000_000.0,
        # by hand half of head_dim: another sum is taken without a word
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [3, 3, 2], "rope_type": "default"},
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    tower = {
        "depth": 4,
        "hidden_size": VISION,
        "intermediate_size": 2 * VISION,
        "num_heads": 4,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [1, 2, 3],
    }
    config = Qwen3VLConfig(
        text_config=settings | text,
        vision_config=tower | (vision or {}),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    model = randomise(Qwen3VLForConditionalGeneration(config).eval(), seed, gain=1.0)
    with torch.no_grad():  # of unit size, as what the layers add to it
        for embedding in (model.model.language_model.embed_tokens.weight, model.model.visual.pos_embed.weight):
            embedding *= embedding.shape[1] ** 0.5
    ends = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.7,
        top_p=0.8,
        top_k=20,
        repetition_penalty=1.0,
        eos_token_id=ends,
        pad_token_id=ends[1],
    )
    return model  # type: ignore[no-any-return]


def save_qwen3_vl(model: Qwen3VLForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Model, tokenizer and preprocessing, as published, in bf16."""
    model.to(torch.bfloat16).save_pretrained(folder)
    save(tokenizer, folder)
    image: dict[str, Any] = {
        "size": {"longest_edge": 16_777_216, "shortest_edge": 65_536},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "processor_class": "Qwen3VLProcessor",
    }
    write_json(folder / "preprocessor_config.json", image | {"image_processor_type": "Qwen2VLImageProcessorFast"})
    size = {"longest_edge": 25_165_824, "shortest_edge": 4096}
    video = {"video_processor_type": "Qwen3VLVideoProcessor", "size": size}
    write_json(folder / "video_preprocessor_config.json", image | video)
