"""A small CLIP in the layout of OpenAI's archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp

FILE = "clip-vit-l-14.pt"
#: Width of the joint embedding: that of the real ViT-L/14, on which the aesthetic predictor's first layer depends.
EMBEDDING = 768
#: Image side, patch side, context and vocabulary are the real ones too: preprocessing and tokenizer depend on them.
IMAGE, PATCH, CONTEXT, VOCABULARY = 224, 14, 77, 49408
#: OpenAI's layout leaves out the number of heads: it is the width over 64.
WIDTH, LAYERS, HEADS = 64, 2, 1
#: What the class token takes from the image, multiplied; as initialised it is so little that all images look alike.
ATTENTION_GAIN = 10.0


def write_clip(folder: Path) -> None:
    """Write ``clip-vit-l-14.pt``, the same bytes each time."""
    model = _random_clip((WIDTH, LAYERS), (WIDTH, LAYERS, HEADS))
    for block in model.visual.transformer.resblocks:
        block.attn.out_proj.weight.data *= ATTENTION_GAIN
    _save_clip(model, folder / FILE)


def write_random_clip(folder: Path) -> Path:
    """Write random weights of the real ViT-L/14's size, 860 MB; the same bytes each time. Returns their path."""
    path = folder / "clip_random.pt"
    _save_clip(_random_clip((1024, 24), (768, 12, 12)), path)
    return path


def _random_clip(vision: tuple[int, int], text: tuple[int, int, int]) -> Any:
    """A CLIP as it initialises itself: width and layers of the image tower; width, layers, heads of the text tower."""
    images = CLIPVisionCfg(width=vision[0], layers=vision[1], patch_size=PATCH, image_size=IMAGE)
    texts = CLIPTextCfg(context_length=CONTEXT, vocab_size=VOCABULARY, width=text[0], layers=text[1], heads=text[2])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CLIP(EMBEDDING, images, texts, quick_gelu=True)


def _save_clip(model: Any, path: Path) -> None:
    """Write a CLIP in OpenAI's layout: half precision where OpenAI's weights are."""
    convert_weights_to_lp(model, torch.float16)
    sizes = {"input_resolution": IMAGE, "context_length": CONTEXT, "vocab_size": VOCABULARY}
    torch.save(model.state_dict() | {name: torch.tensor(size) for name, size in sizes.items()}, path)
