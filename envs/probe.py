"""Runs a stage's compiled parts on the device: ``python envs/probe.py``, inside a stage's environment.

An mmcv operator and a forward pass of a small random CLIP, each where the environment has it. The last line is a JSON
object: device, CUDA version, the architectures that torch was compiled for, what ran. Exit 1 where something failed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any


def nms(device: str) -> None:
    """mmcv's compiled suppression: of two boxes that overlap by 81 %, and one apart, the first and the last stay.

    Raises:
        RuntimeError: other boxes stayed.
    """
    import torch
    from mmcv.ops import nms as operator

    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 9.0, 9.0], [20.0, 20.0, 30.0, 30.0]], device=device)
    _, kept = operator(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), iou_threshold=0.5)
    if kept.tolist() != [0, 2]:
        raise RuntimeError(f"mmcv's nms kept boxes {kept.tolist()} instead of [0, 2]")


def clip(device: str) -> None:
    """A forward pass of a two-layer CLIP, both towers.

    Raises:
        RuntimeError: the features are not finite.
    """
    import torch
    from open_clip.model import CLIP

    image = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
    text = {"context_length": 8, "vocab_size": 64, "width": 64, "heads": 2, "layers": 2}
    model = CLIP(32, image, text).to(device).eval()
    with torch.no_grad():
        images = model.encode_image(torch.zeros(2, 3, 32, 32, device=device))
        texts = model.encode_text(torch.ones(2, 8, dtype=torch.long, device=device))
    if not bool(torch.isfinite(images @ texts.T).all()):
        raise RuntimeError("CLIP's features are not finite")


def attention(device: str) -> None:
    """Convolution, matrix product and attention: what every model here is made of."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    torch.nn.Conv2d(3, 4, 3).to(device)(torch.zeros(1, 3, 8, 8, device=device))
    query = torch.ones(1, 2, 4, 8, device=device)
    scaled_dot_product_attention(query, query, query).sum().item()


#: What is run, and the package that it needs.
PROBES: dict[str, tuple[str, Callable[[str], None]]] = {
    "attention": ("torch", attention),
    "mmcv nms": ("mmcv", nms),
    "CLIP forward": ("open_clip", clip),
}


def probe() -> dict[str, Any]:
    """Run what can be run here; ``failed`` says what did not work, and why."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    flags: Any = getattr(torch._C, "_cuda_getArchFlags", str)()  # torch.cuda.get_arch_list() is empty without a GPU
    answer: dict[str, Any] = {"device": device, "cuda": torch.version.cuda, "architectures": (flags or "").split()}
    ran, failed = [], {}
    for name, (package, run) in PROBES.items():
        if importlib.util.find_spec(package) is None:
            continue
        try:
            run(device)
            ran.append(name)
        except Exception as error:
            lines = str(error).splitlines() or [""]
            failed[name] = f"{type(error).__name__}: {lines[0]}"
    return answer | {"ran": ran, "failed": failed}


if __name__ == "__main__":
    found = probe()
    print(json.dumps(found))
    sys.exit(1 if found["failed"] else 0)
