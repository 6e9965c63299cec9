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
    from geneval.tiny_world.clip import random_clip, save_clip

    path = folder / "clip_random.pt"
    save_clip(random_clip((1024, 24), (768, 12, 12)), path)
    return path
