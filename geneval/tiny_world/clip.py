"""A small CLIP in the layout of OpenAI's archive."""

from __future__ import annotations

from pathlib import Path

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
    """Write ``clip-vit-l-14.pt``: half precision where OpenAI's weights are, the same bytes each time."""
    import torch
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp

    vision = CLIPVisionCfg(layers=LAYERS, width=WIDTH, patch_size=PATCH, image_size=IMAGE)
    text = CLIPTextCfg(context_length=CONTEXT, vocab_size=VOCABULARY, width=WIDTH, heads=HEADS, layers=LAYERS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIP(EMBEDDING, vision, text, quick_gelu=True)
    for block in model.visual.transformer.resblocks:
        block.attn.out_proj.weight.data *= ATTENTION_GAIN
    convert_weights_to_lp(model, torch.float16)
    sizes = {"input_resolution": IMAGE, "context_length": CONTEXT, "vocab_size": VOCABULARY}
    torch.save(model.state_dict() | {name: torch.tensor(size) for name, size in sizes.items()}, folder / FILE)
