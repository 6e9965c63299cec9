"""Pretrained models, tiny: SDXL's VAE and FLAN-T5-XL's encoder, on which MIRO stands, and a Stable Diffusion."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Width of FLAN-T5-XL. It stays: MIRO's bundled unconditional embedding has it.
TEXT_WIDTH = 2048
#: Four resolution levels make one latent of 8 x 8 pixels.
VAE_LEVELS = 4
#: Of the Stable Diffusion: latents are 8 x 8, images 32 x 32.
LATENT_SIZE, WIDTH, CONTEXT = 8, 32, 77


def write_vae(folder: Path) -> None:
    """Save a random ``AutoencoderKL`` with four latent channels, for images of 64 x 64."""
    _vae(VAE_LEVELS, sample_size=64, scaling_factor=0.13025).save_pretrained(folder)  # as stabilityai/sdxl-vae


def _vae(levels: int, **more: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=4,
        **more,
    )


def write_text_encoder(folder: Path, prompts: Iterable[str]) -> None:
    """Save a random T5 encoder of FLAN-T5-XL's width, with a tokenizer trained on ``prompts``."""
    from transformers import AutoTokenizer, T5Config, T5EncoderModel

    # FLAN-T5's tokenizer files, in the layout that transformers 4 wrote and 5 still reads.
    specials = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    sentinels = {"additional_special_tokens": [f"<extra_id_{index}>" for index in range(100)]}
    settings = {"extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"}
    (folder / "spiece.model").write_bytes(_train_sentencepiece(prompts))
    _write_json(folder / "special_tokens_map.json", specials | sentinels)
    _write_json(folder / "tokenizer_config.json", specials | sentinels | settings)
    _write_json(folder / "config.json", {"model_type": "t5"})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=TEXT_WIDTH,
        d_kv=4,
        d_ff=8,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    T5EncoderModel(config).save_pretrained(folder)


def _train_sentencepiece(prompts: Iterable[str]) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(prompts),
        model_writer=model,
        vocab_size=256,
        hard_vocab_limit=False,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_diffusers_pipeline(folder: Path, prompts: Iterable[str]) -> None:
    """Write a Stable Diffusion whose scheduler draws noise; its tokenizer knows the letters of ``prompts``."""
    import torch
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    tokenizer = _letters(folder / "tokenizer", prompts)
    pipeline = StableDiffusionPipeline(
        vae=_vae(3, sample_size=LATENT_SIZE * 4).eval(),
        text_encoder=_text_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        unet=_unet(),
        scheduler=EulerAncestralDiscreteScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def _letters(folder: Path, prompts: Iterable[str]) -> Any:
    """CLIP's tokenizer without merges: every letter is a token, in the middle and at the end of a word."""
    from transformers import CLIPTokenizer

    letters = sorted({letter for prompt in prompts for letter in prompt.lower() if not letter.isspace()})
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))  # whose names differ among versions
    return CLIPTokenizer(*files, model_max_length=CONTEXT)


def _text_encoder(vocabulary: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config).eval()


def _unet() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).eval()
