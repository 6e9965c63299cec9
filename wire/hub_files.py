"""Which of a hub repository's files are wanted. Standard library only, Python >= 3.10: used on both sides."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

#: Pattern for a model's weights, whatever format its repository has.
MODEL_WEIGHTS = "@weights"
#: Formats of a model's weights, best first.
FORMATS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def choose(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that the patterns stand for; a pattern without ``/`` means files at the top."""
    known = sorted(names)
    chosen: set[str] = set()
    for pattern in patterns:
        if pattern == MODEL_WEIGHTS:
            chosen.update(model_weights(known))
        else:
            depth = pattern.count("/")
            chosen.update(name for name in known if name.count("/") == depth and fnmatch.fnmatchcase(name, pattern))
    return sorted(chosen)


def model_weights(names: list[str]) -> list[str]:
    """A model's weights in the best format there is: one file, or an index with its shards."""
    best = next((name for name in FORMATS if name in names), None)
    if best is None or not best.endswith(".index.json"):
        return [best] if best else []
    stem, suffix = best.removesuffix(".index.json").rsplit(".", 1)
    return [best, *fnmatch.filter(names, f"{stem}-*-of-*.{suffix}")]
