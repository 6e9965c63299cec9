"""Scores of t2v_metrics' own ``CLIPT5Model``; run where that package and its transformers come first.

Standard input: ``{"sizes": ["xxl", "xl"], "batches": [[[image file, prompt], ...], ...]}``. Standard output: one JSON
object, for each size two lists of scores: ``bfloat16`` (under autocast, as the authors' decorator does on a GPU and
leaves undone on a CPU) and ``float32`` (the same bf16 weights, all arithmetic in float32).

The package's own ``__init__`` files import every model it knows, with some fifty more packages: they are passed by.
What is imported is the files that CLIP-FlanT5 runs through, as they were published.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
import warnings
from pathlib import Path
from typing import Any

_PACKAGES = ("t2v_metrics", "t2v_metrics.models", "t2v_metrics.models.vqascore_models")


def pass_by_inits() -> None:
    """Stand empty packages in for those whose ``__init__`` imports the rest of the world."""
    spec = importlib.util.find_spec(_PACKAGES[0])
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent.parent
    for name in _PACKAGES:
        package = types.ModuleType(name)
        package.__path__ = [str(root / Path(*name.split(".")))]
        sys.modules[name] = package


def scores(model: Any, batches: list[list[list[str]]]) -> list[float]:
    """Batch by batch."""
    columns = ([list(column) for column in zip(*pairs, strict=True)] for pairs in batches)
    return [float(score) for images, prompts in columns for score in model.forward(images, prompts)]


def both(authors: Any, size: str, batches: list[list[list[str]]]) -> dict[str, list[float]]:
    """One model's scores in both number formats."""
    import torch
    from huggingface_hub import constants

    model = authors.CLIPT5Model(f"clip-flant5-{size}", device="cpu", cache_dir=constants.HF_HUB_CACHE)
    with torch.autocast("cpu", torch.bfloat16):
        half = scores(model, batches)
    model.model.float()
    return {"bfloat16": half, "float32": scores(model, batches)}


def main() -> None:
    """See the module."""
    warnings.simplefilter("ignore")
    import transformers

    asked = json.load(sys.stdin)
    assert transformers.__version__ == "4.36.1"
    pass_by_inits()
    authors = importlib.import_module("t2v_metrics.models.vqascore_models.clip_t5_model")
    print(json.dumps({size: both(authors, size, asked["batches"]) for size in asked["sizes"]}))


if __name__ == "__main__":
    main()
