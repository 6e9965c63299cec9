"""Import what the reward models need; the last line is a JSON object of versions."""

import json
import platform
from importlib.metadata import version

import clip  # noqa: F401
import ImageReward  # noqa: F401
import open_clip  # noqa: F401
import torch
import transformers

if not transformers.__version__.startswith("4.42."):
    raise SystemExit(f"transformers {transformers.__version__} found, 4.42 needed")
if torch.cuda.is_available():
    torch.ones(2, device="cuda").sum().item()

NAMES = ("torch", "transformers", "open-clip-torch", "openai-clip", "hpsv2", "image-reward", "timm", "numpy", "pillow")
FOUND = {"python": platform.python_version(), "cuda": str(torch.version.cuda)}
print(json.dumps(FOUND | {name: version(name) for name in NAMES}))
