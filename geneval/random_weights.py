"""Random weights of the real Swin-S size: for comparing implementations and for measuring speed, never for scores."""

from __future__ import annotations

from pathlib import Path


def write_random_weights(folder: Path) -> Path:
    """Write a checkpoint of 275 MB for mmdet's own Swin-S config; the same bytes each time. Returns its path."""
    import torch

    from geneval.detectors.mmdet_mask2former import shipped_config
    from geneval.tiny_world.detector import random_state, sharpen

    state = random_state(shipped_config())
    sharpen(state)
    path = folder / "mask2former_random.pth"
    torch.save({"state_dict": state}, path)
    return path


def write_random_clip(folder: Path) -> Path:
    """Write CLIP ViT-L/14 in OpenAI's layout, 860 MB; the same bytes each time. Returns its path."""
    import torch
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_lp

    vision = CLIPVisionCfg(layers=24, width=1024, patch_size=14, image_size=224)
    text = CLIPTextCfg(context_length=77, vocab_size=49408, width=768, heads=12, layers=12)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIP(768, vision, text, quick_gelu=True)
    convert_weights_to_lp(model, torch.float16)
    sizes = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    path = folder / "clip_random.pt"
    torch.save(model.state_dict() | {name: torch.tensor(size) for name, size in sizes.items()}, path)
    return path
