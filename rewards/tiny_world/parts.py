"""What the stand-ins are made of: a hub cache's layout, random weights, words.

<hub>/models--ORG--NAME/refs/main
                       /snapshots/<commit>/...
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rewards.models.layers import LinearHead
from wire.vocabulary import COLORS, OBJECT_CLASSES

#: Deviation of a matrix's outputs for unit inputs: above 1, so that small networks do not forget their input.
GAIN = 1.5
#: Deviation of embeddings and biases.
SMALL = 0.1
_FUNCTION_WORDS = (
    *("a", "an", "the", "of", "photo", "and", "two", "three", "four"),
    *("above", "below", "left", "right", "is", "on", "in", "with", "painting"),
)
#: Words that the tokenizers know whole, those of GenEval's prompts: lower-case, each once, in a fixed order.
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys([*_FUNCTION_WORDS, *COLORS, *(word for name in OBJECT_CLASSES for word in name.split())])
)


def repository(hub: Path, repo: str, revision: str | None = None) -> Path:
    """The folder of a repository's only snapshot, made if need be.

    Args:
        repo: id, ``org/name`` or ``name``.
        revision: commit to appear as; without one, a hash of the id.
    """
    commit = revision or hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
    folder = hub / ("models--" + repo.replace("/", "--"))
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit, encoding="ascii")
    return snapshot


def found(hub: Path, repo: str) -> Path | None:
    """The snapshot that a repository's main branch points to; None where there is no such repository."""
    folder = hub / ("models--" + repo.replace("/", "--"))
    branch = folder / "refs" / "main"
    return folder / "snapshots" / branch.read_text(encoding="ascii").strip() if branch.exists() else None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, the same bytes for the same content."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def randomise(model: nn.Module, seed: int, keep: tuple[str, ...] = (), gain: float = GAIN) -> nn.Module:
    """Fill every parameter from generators of its own, so that no value depends on the order of construction.

    Args:
        model: changed in place; norms stay as they are.
        seed: with a parameter's name, what its values are drawn from.
        keep: names of parameters to leave alone.
    """
    norms = {id(p) for m in model.modules() if "norm" in type(m).__name__.lower() for p in m.parameters(recurse=False)}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if id(parameter) not in norms and name not in keep:
                parameter.copy_(_draw(parameter, zlib.crc32(f"{seed}/{name}".encode()), gain))
    return model


def _draw(parameter: torch.Tensor, seed: int, gain: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(parameter.shape, generator=generator)
    matrix = parameter.ndim > 1 and parameter.shape[0] < 20_000  # longer ones are vocabularies
    fan_in = math.prod(parameter.shape[1:])
    return values * (gain / math.sqrt(fan_in) if matrix else SMALL)


def state(model: nn.Module, dtype: torch.dtype = torch.float16) -> dict[str, Any]:
    """The model's state dict in half precision: half the size on disk, and read into any precision exactly."""
    return {
        key: value.to(dtype).clone() if value.is_floating_point() else value.clone()
        for key, value in model.state_dict().items()
    }


def linear_head_state(width: int, seed: int, center: float) -> dict[str, Any]:
    """State dict of the head (keys ``layers.<i>.*``) whose answers lie around ``center``."""
    head = randomise(LinearHead(width), seed)
    with torch.no_grad():
        head.layers[-1].bias.fill_(center)
    return {key: value.clone() for key, value in head.state_dict().items()}
