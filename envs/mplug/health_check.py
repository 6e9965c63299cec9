"""Import what DPG-Bench's judge needs; the last line is a JSON object of versions."""

import json
import platform
from importlib.metadata import version

import torch
from modelscope.models.multi_modal.mplug.modeling_mplug import MPlugForVisualQuestionAnswering  # noqa: F401

if torch.cuda.is_available():
    torch.ones(2, device="cuda").sum().item()

NAMES = ("torch", "torchvision", "transformers", "modelscope", "timm", "numpy", "pillow")
FOUND = {"python": platform.python_version(), "cuda": str(torch.version.cuda)}
print(json.dumps(FOUND | {name: version(name) for name in NAMES}))
