"""The two pretrained models that MIRO stands on: SDXL's VAE and FLAN-T5-XL's encoder, tiny."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

#: Width of FLAN-T5-XL. It stays: MIRO's bundled unconditional embedding has it.
TEXT_WIDTH = 2048

#: ``scaling_factor`` of stabilityai/sdxl-vae; its four resolution levels make one latent of 8 x 8 pixels.
VAE_SCALING = 0.13025
VAE_LEVELS = 4
PIXELS_PER_LATENT = 2 ** (VAE_LEVELS - 1)


def write_vae(folder: Path, latent_size: int) -> None:
    """Save a random ``AutoencoderKL`` with four latent channels for latents of that height and width."""
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * VAE_LEVELS,
        up_block_types=("UpDecoderBlock2D",) * VAE_LEVELS,
        block_out_channels=(8,) * VAE_LEVELS,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=latent_size * PIXELS_PER_LATENT,
        scaling_factor=VAE_SCALING,
    )
    vae.save_pretrained(folder)


def write_text_encoder(folder: Path, prompts: Iterable[str]) -> None:
    """Save a random T5 encoder of FLAN-T5-XL's width, with a tokenizer trained on ``prompts``."""
    from transformers import AutoTokenizer, T5Config, T5EncoderModel

    _write_tokenizer(folder, prompts)
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


def _write_tokenizer(folder: Path, prompts: Iterable[str]) -> None:
    """FLAN-T5's tokenizer files, in the layout that transformers 4 wrote and 5 still reads."""
    specials = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    sentinels = {"additional_special_tokens": [f"<extra_id_{index}>" for index in range(100)]}
    settings = {"extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"}
    (folder / "spiece.model").write_bytes(_train_sentencepiece(prompts))
    _write_json(folder / "special_tokens_map.json", specials | sentinels)
    _write_json(folder / "tokenizer_config.json", specials | sentinels | settings)
    _write_json(folder / "config.json", {"model_type": "t5"})


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
