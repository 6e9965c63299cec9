"""Runs a stage's compiled parts on the device: ``python envs/probe.py``, inside a stage's environment.

The detector's attention and a forward pass of a small random CLIP, each where the environment has it. The last line is
a JSON object: device, CUDA version, the architectures that torch was compiled for, what ran. Exit 1 where one failed.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any


def deformable(device: str) -> None:
    """The detector's deformable attention, as it is computed on this device: compiled where mmcv has it so.
    Raises RuntimeError: the result is not finite.
    """
    import torch

    detector = importlib.import_module("geneval.detectors.mmdet_mask2former")  # before mmcv's operators
    from mmcv.ops import MultiScaleDeformableAttention

    module = MultiScaleDeformableAttention(8, num_heads=2, num_levels=1, batch_first=True).to(device).eval()
    if not detector.choose_deformable_attention(device):
        detector.install_in_mmdet(torch.nn.Sequential(module))
    query = torch.ones(1, 16, 8, device=device)
    shapes, first = torch.tensor([[4, 4]], device=device), torch.zeros(1, dtype=torch.long, device=device)
    places = torch.full((1, 16, 1, 2), 0.5, device=device)
    with torch.no_grad():
        found = module(
            query, value=query, query_pos=query, reference_points=places, spatial_shapes=shapes, level_start_index=first
        )
    if not bool(torch.isfinite(found).all()):
        raise RuntimeError("the detector's attention is not finite")


def clip(device: str) -> None:
    """A forward pass of a two-layer CLIP, both towers. Raises RuntimeError: the features are not finite."""
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
    "deformable attention": ("mmdet", deformable),
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
