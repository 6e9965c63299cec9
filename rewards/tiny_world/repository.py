"""The layout of a hub cache: ``models--ORG--NAME/{refs/main, snapshots/<commit>/...}``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


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


def exists(hub: Path, repo: str) -> bool:
    """Whether a repository is there already."""
    return (hub / ("models--" + repo.replace("/", "--")) / "refs" / "main").exists()


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, the same bytes for the same content."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
