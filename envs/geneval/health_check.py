"""Import what the GenEval stage needs and run an operator of the detector; the last line is a JSON object of versions.

Called with the kind of environment: ``no-mmcv`` has transformers' detector only, ``mmcv-lite`` nothing compiled.
"""

import json
import platform
import sys
from importlib import import_module
from importlib.metadata import version

import clip_benchmark  # noqa: F401
import open_clip  # noqa: F401
import torch

NAMES = ["torch", "mmcv", "mmdet", "mmengine", "open-clip-torch", "clip-benchmark", "numpy", "pillow"]
if sys.argv[1:] == ["no-mmcv"]:
    from transformers import Mask2FormerForUniversalSegmentation  # noqa: F401

    NAMES[1:4] = ["transformers"]
else:
    import_module("geneval.detectors.mmdet_mask2former")  # before mmdet: stands in for what is not compiled
    import_module("mmdet.apis")
    from mmcv.ops import nms

if sys.argv[1:] == ["mmcv-lite"]:
    NAMES[1] = "mmcv-lite"
elif "mmcv" in NAMES:
    # Two boxes that overlap by 81 %, and one apart: suppression at 0.5 keeps the first and the last.
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 9.0, 9.0], [20.0, 20.0, 30.0, 30.0]])
    _, kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5)
    if kept.tolist() != [0, 2]:
        raise SystemExit(f"mmcv's compiled nms kept boxes {kept.tolist()} instead of [0, 2]")
if torch.cuda.is_available():
    torch.ones(2, device="cuda").sum().item()

FOUND = {"python": platform.python_version(), "cuda": str(torch.version.cuda)}
print(json.dumps(FOUND | {name: version(name) for name in NAMES}))
