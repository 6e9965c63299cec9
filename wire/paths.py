"""Where things are: our own files, and what we keep on the user's machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from wire.errors import UserError

_PACKAGE = Path(__file__).resolve().parent
#: The packages that a worker imports.
STAGE_PACKAGES = ("wire", "generation", "geneval", "rewards")
#: All our top-level packages.
PARTS = (*STAGE_PACKAGES, "reports", "harness")


def expanded(text: str | Path) -> Path:
    """A path in which ``~`` or ``~name`` in front stands for that home folder.
    Raises UserError: there is no such user, or no home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{text}: no home folder is known for ~: write the path in full") from error


def home() -> Path:
    """Folder for environments, weights and the tiny world.

    ``$MIRO_EVAL_HOME``, else ``miro-eval`` in the user's cache folder (``$XDG_CACHE_HOME``, else ``~/.cache``).
    """
    if chosen := os.environ.get("MIRO_EVAL_HOME"):
        return expanded(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or expanded("~/.cache")
    return Path(cache).absolute() / "miro-eval"


def environment_files(name: str) -> Path:
    """Folder with an environment's ``pyproject.toml``, ``uv.lock`` and ``health_check.py``."""
    return _data("envs") / name


def pixi_manifest() -> Path:
    """The ``pixi.toml`` of the GenEval environment."""
    return _data("pixi.toml")


def weights_manifest() -> Path:
    """``weights.toml``: weights that are fetched by address rather than through the hub."""
    return _data("envs") / "weights.toml"


def _data(name: str) -> Path:
    """A data file: at the top of a clone, under ``wire/data`` in an installed wheel."""
    packed = _PACKAGE / "data" / name
    return packed if packed.exists() else _PACKAGE.parent / name


def stage_code() -> Path:
    """Folder for a worker's ``PYTHONPATH``: it holds our packages and nothing else that could be imported.

    A clone is such a folder. Installed in site-packages we are neighbours of pandas and others, which
    must not shadow the stage's own: then a folder of links to our packages is made.
    """
    parent = _PACKAGE.parent
    if (parent / "pyproject.toml").exists():
        return parent
    links = home() / "code" / hashlib.sha256(str(parent).encode()).hexdigest()[:12]
    links.mkdir(parents=True, exist_ok=True)
    for package in STAGE_PACKAGES:
        link = links / package
        if not link.exists():
            link.symlink_to(parent / package, target_is_directory=True)
    return links
