"""Import what the generation stage needs; the last line is a JSON object of versions."""

import json
import platform
from importlib.metadata import version

import diffusers  # noqa: F401
import hydra  # noqa: F401
import pytorch_lightning  # noqa: F401
import torch
import transformers  # noqa: F401
from miro import MiroPipeline  # noqa: F401
from miro.models.diffusion import DiffusionModule  # noqa: F401

if torch.cuda.is_available():
    torch.ones(2, device="cuda").sum().item()

NAMES = ("miro-t2i", "torch", "transformers", "diffusers", "pytorch-lightning", "numpy", "pillow")
FOUND = {"python": platform.python_version(), "cuda": str(torch.version.cuda)}
print(json.dumps(FOUND | {name: version(name) for name in NAMES}))
