"""What a run must remember of the software and the weights that judged it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

#: Packages of each detector.
PACKAGES = {"mmdet": ("torch", "mmcv", "mmdet"), "transformers": ("torch", "transformers")}
_CHUNK = 1 << 20


def packages(detector: str) -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {name: version(name) for name in (*PACKAGES[detector], "open-clip-torch")}


def weights(files: Mapping[str, Path]) -> list[dict[str, str]]:
    """Name, hash and file name of each weight file."""
    return [{"name": name, "sha256": _sha256(path), "file": path.name} for name, path in files.items()]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
