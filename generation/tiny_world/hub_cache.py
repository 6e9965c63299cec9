"""Writes repositories into a hub cache, the way ``huggingface_hub`` lays it out."""

from __future__ import annotations

import hashlib
from pathlib import Path


def snapshot_folder(hf_home: Path, repo: str) -> Path:
    """Make the folder of the only revision of ``repo`` (branch ``main``) in that ``HF_HOME``, and return it.

    The revision is a hash of the name: stable, and of the length that the hub's commits have.
    """
    root = hf_home / "hub" / f"models--{repo.replace('/', '--')}"
    revision = hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(revision, encoding="utf-8")
    snapshot = root / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    return snapshot
