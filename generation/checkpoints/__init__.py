"""Loaders, one file per kind of checkpoint."""

from __future__ import annotations

from generation.checkpoint_kinds import LIGHTNING, CheckpointSource
from generation.miro_model import LoadedCheckpoint


def load_checkpoint(source: CheckpointSource, trusted: bool = False) -> LoadedCheckpoint:
    """Load a checkpoint of any kind onto the CPU, in float32; if ``trusted``, whatever code its files name is run.
    Raises UserError: the files are not a MIRO checkpoint, are damaged, or name code that is not on the list;
    EnvironmentFailure: the checkpoint's repository or the VAE's cannot be had.
    """
    from generation.checkpoints.hub_layout import load_folder, load_repo
    from generation.checkpoints.lightning import load_lightning

    if source.path is None:
        return load_repo(source.repo, source.revision, source.variant)
    return load_lightning(source.path, trusted) if source.kind == LIGHTNING else load_folder(source.path)
