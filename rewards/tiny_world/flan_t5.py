"""Stand-ins for CLIP-FlanT5 and FLAN-T5's tokenizer."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import nn

from rewards.models.clip_flant5 import AFTER, SYSTEM
from rewards.tiny_world.parts import WORDS, found, randomise, repository, state, write_json

#: Pieces of the tokenizer, then the 100 extra ids of T5, then padding of the embedding beyond the tokenizer.
PIECES, EXTRA, PADDING = 400, 100, 28
WIDTH, VISION_WIDTH = 64, 32
#: T5 does not scale its attention: with larger weights bf16 would be all rounding error.
T5_GAIN = 0.8
#: What the tokenizer is trained on.
LINES: tuple[str, ...] = (
    *(SYSTEM, AFTER, "Yes", "No"),
    *WORDS,
    *(f"a photo of {first} and {second}" for first, second in zip(WORDS, WORDS[1:] + WORDS[:1], strict=True)),
)


def write_tokenizers(hub: Path) -> None:
    """google/flan-t5-xxl's and -xl's tokenizer files; an existing xl is left alone."""
    write_t5_tokenizer(repository(hub, "google/flan-t5-xxl"))
    if not found(hub, "google/flan-t5-xl"):
        write_t5_tokenizer(repository(hub, "google/flan-t5-xl"))


def write_t5_tokenizer(folder: Path) -> None:
    """A sentencepiece model in the slow T5 tokenizer's layout."""
    (folder / "spiece.model").write_bytes(sentencepiece_model())
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": EXTRA, "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", {**settings, **special})
    write_json(folder / "config.json", {"model_type": "t5"})


def sentencepiece_model() -> bytes:
    """A unigram model trained on the question and on GenEval's words; "Yes" and "No" are pieces, as in FLAN-T5."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=model,
        vocab_size=PIECES,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=["▁Yes", "▁No"],
        num_threads=1,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    return model.getvalue()


def sentencepiece_pieces() -> list[tuple[str, float]]:
    """The same model's pieces with their log probabilities, special tokens left out."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model())
    kept = [i for i in range(len(model)) if not (model.is_control(i) or model.is_unknown(i))]
    return [(model.id_to_piece(i), model.get_score(i)) for i in kept]


def write_clip_flant5(hub: Path) -> None:
    """zhiqiulin/clip-flant5-xxl without a vision tower of its own, -xl with one: the loader must take both."""
    from transformers import CLIPVisionModel

    vision = CLIPVisionModel.from_pretrained(repository(hub, "openai/clip-vit-large-patch14-336"))
    tower = {f"vision_tower.vision_tower.{key}": value for key, value in state(vision).items()}
    for seed, (size, stored) in enumerate([("xxl", {}), ("xl", tower)], start=61):
        _write_clip_flant5(repository(hub, f"zhiqiulin/clip-flant5-{size}"), seed, size, stored)


def _write_clip_flant5(folder: Path, seed: int, size: str, tower: dict[str, torch.Tensor]) -> None:
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    tokenizer = found(folder.parents[2], f"google/flan-t5-{size}")  # which another stage may have written
    config = T5Config(
        vocab_size=len(T5Tokenizer.from_pretrained(tokenizer, legacy=True)) + PADDING,
        d_model=WIDTH,
        d_kv=16,
        d_ff=2 * WIDTH,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )
    projector = nn.Sequential(nn.Linear(VISION_WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
    weights = state(randomise(T5ForConditionalGeneration(config), seed, gain=T5_GAIN), torch.bfloat16)
    projected = state(randomise(projector, seed), torch.bfloat16).items()
    weights |= {f"mm_projector.{key}": value for key, value in projected} | tower
    torch.save(weights, folder / "pytorch_model.bin")
    write_json(folder / "config.json", {**config.to_dict(), **_multimodal()})


def _multimodal() -> dict[str, object]:
    return {
        "model_type": "clip_t5",
        "architectures": ["CLIPT5ForConditionalGeneration"],
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "mm_hidden_size": VISION_WIDTH,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "use_mm_proj": True,
    }
