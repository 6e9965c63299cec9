"""A small Mask2Former whose random weights find something.

Random class logits are nearly equal, and no score would pass GenEval's thresholds; the queries would agree with each
other; random masks cover everything. :func:`sharpen` changes that. Its factors and the seed were found by trial: on
drawn scenes, smooth colors and noise some 20 objects of 25 classes pass 0.3, some 3 pass 0.9, boxes are half as wide
as the image, and about one verdict in forty on GenEval's suite is *correct*.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch

from geneval.detectors.checkpoint import to_layout_2
from geneval.detectors.mmdet_mask2former import build_model, shipped_config

WEIGHTS = "mask2former.pth"
CONFIG = "mask2former_tiny.py"

_HEAD = "panoptic_head."
SEED = 1
#: Steeper class logits: a few classes stand out.
CLASS_GAIN = 12.0
#: Steeper mask logits: pixels are clearly in or out.
MASK_GAIN = 40.0
#: Taken off every mask logit, so that masks cover a part of the image.
MASK_OFFSET = 45.0
#: Queries that differ more, and take less from each other and from the image, find different things.
QUERY_GAIN = 4.0
ATTENTION_GAINS = {"self_attn": 0.2, "cross_attn": 0.4}


def write_detector(folder: Path) -> None:
    """Write ``mask2former.pth``, in the key layout of mmdet 2.x as GenEval's own download is, and its config."""
    config = folder / CONFIG
    shutil.copyfile(Path(__file__).with_name(CONFIG), config)
    torch.save({"state_dict": to_layout_2(_random_state(config)), "meta": {}}, folder / WEIGHTS)


def write_random_weights(folder: Path) -> Path:
    """Write a checkpoint of the real Swin-S size, 275 MB, for mmdet's own config; the same bytes each time.

    For comparing implementations and for measuring speed, never for scores. Returns its path.
    """
    path = folder / "mask2former_random.pth"
    torch.save({"state_dict": _random_state(shipped_config())}, path)
    return path


def _random_state(config: Path) -> dict[str, Any]:
    """Sharpened weights of a config's model as it initialises itself, the same each time."""
    from mmengine.config import Config

    logging.disable(logging.WARNING)  # mmengine reports on every single parameter
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = build_model(Config.fromfile(config))
            model.init_weights()
    finally:
        logging.disable(logging.NOTSET)
    state = dict(model.state_dict())
    sharpen(state)
    return state


def sharpen(state: dict[str, Any]) -> None:
    """Make the random weights decisive; one mask channel becomes a constant that carries the offset."""
    state[f"{_HEAD}cls_embed.weight"] *= CLASS_GAIN
    state[f"{_HEAD}mask_embed.4.weight"] *= MASK_GAIN
    state[f"{_HEAD}query_feat.weight"] *= QUERY_GAIN
    for attention, gain in ATTENTION_GAINS.items():
        for key in state:
            if key.startswith(f"{_HEAD}transformer_decoder") and key.endswith(f"{attention}.attn.out_proj.weight"):
                state[key] *= gain
    for key, constant in (("pixel_decoder.mask_feature", 1.0), ("mask_embed.4", -MASK_OFFSET)):
        state[f"{_HEAD}{key}.weight"][0] = 0.0
        state[f"{_HEAD}{key}.bias"][0] = constant
