"""Loads the published layout, from a folder or a hub repository, through miro-t2i's own ``MiroPipeline``."""

from __future__ import annotations

from pathlib import Path

from generation.checkpoint_kinds import HUB_FILES
from generation.hub import checkpoint_files, repo_weights, snapshot_revision
from generation.miro_model import VAE_FILE, VAE_REPO, LoadedCheckpoint, MiroModel
from generation.precision import PIPELINE_TEXT_LENGTH
from wire.hub_client import from_the_cache
from wire.protocol import UserError
from wire.untrusted import read_json


def load_folder(folder: Path) -> LoadedCheckpoint:
    """Load a folder in the published layout. See :func:`generation.checkpoints.load_checkpoint`."""
    vae = repo_weights(VAE_REPO, VAE_FILE)
    return LoadedCheckpoint(_load(folder, str(folder)), [folder / name for name in HUB_FILES], vae)


def load_repo(repo: str, revision: str | None, variant: str | None) -> LoadedCheckpoint:
    """Load a repository, or its subfolder ``variant``. See :func:`generation.checkpoints.load_checkpoint`."""
    files = checkpoint_files(repo, HUB_FILES, revision, variant)
    vae = repo_weights(VAE_REPO, VAE_FILE)
    return LoadedCheckpoint(_load(files[0].parent, repo), files, vae, repo, snapshot_revision(files[0]))


def _load(folder: Path, place: str) -> MiroModel:
    from miro import MiroPipeline

    try:
        read_json(folder / "config.json")
    except (OSError, ValueError) as error:
        raise UserError(f"{place}: config.json is not readable JSON ({error})") from error
    try:
        with from_the_cache():
            pipeline = MiroPipeline.from_pretrained(str(folder))
        side = int(pipeline.config["data_resolution"])
    except Exception as error:  # several libraries', each with classes of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{place}: its files do not make a MIRO model ({type(error).__name__}: {reason})") from error
    return MiroModel(
        network=pipeline.network,
        preconditioning=pipeline.preconditioning,
        postprocessing=pipeline.postprocessing,
        scheduler=pipeline.scheduler,
        uncond_embedding=pipeline.uncond_embedding.reshape(-1, pipeline.uncond_embedding.shape[-1]),
        axes=tuple(pipeline.coherence_keys),
        latent_shape=(4, side, side),
        pipeline_text_length=int(pipeline.config.get("max_text_len", PIPELINE_TEXT_LENGTH)),
    )
