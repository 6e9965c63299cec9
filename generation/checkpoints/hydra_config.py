"""Reads the ``config.yaml`` beside a Lightning checkpoint, and builds from it only what is known to be harmless.

A Hydra configuration names the functions to call, so it is a program, and so is each interpolation in it. Without the
user's trust neither Hydra nor OmegaConf sees it: it is read as plain data, references to other values are replaced by
code of ours, and parts are built from a table. MIRO's own configurations need no more than that.
"""

from __future__ import annotations

from pathlib import Path

from generation.checkpoints.plain_yaml import read_mapping
from generation.checkpoints.training_config import TrainingConfig, package_folder

__all__ = ["TrainingConfig", "package_folder", "read_config"]


def read_config(path: Path, trusted: bool) -> TrainingConfig:
    """Read a ``config.yaml``; if ``trusted``, whatever it names is resolved and called.

    Raises:
        UserError: it is not readable YAML with a mapping at its top.
    """
    if not trusted:
        return TrainingConfig(path, read_mapping(path))
    from generation.checkpoints.trusted_config import TrustedConfig

    return TrustedConfig(path)
