"""``python -m generation.tiny_world FOLDER``: write the tiny world into FOLDER."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

#: The name under which the tiny pipeline of diffusers is in the hub cache.
DIFFUSERS_REPO = "stable-diffusion-v1-5/stable-diffusion-v1-5"


def write_world(folder: Path) -> None:
    """Fill ``folder`` with the tiny world; the same bytes each time.

    Sets ``HF_HOME``, which must happen before anything of the hub's libraries is imported.
    """
    os.environ.update(HF_HOME=str(folder), HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    import torch

    from generation.suites import SUITES
    from generation.tiny_world.checkpoint import write_checkpoint, write_hub_layout
    from generation.tiny_world.pretrained import write_diffusers_pipeline, write_text_encoder, write_vae

    torch.manual_seed(0)
    write_vae(_snapshot_folder(folder, "stabilityai/sdxl-vae"))
    prompts = [line["prompt"] for line in SUITES["geneval"].lines]
    write_text_encoder(_snapshot_folder(folder, "google/flan-t5-xl"), prompts)
    checkpoints = folder / "checkpoints"
    write_checkpoint(checkpoints / "tiny-miro")
    for place in (checkpoints / "tiny-diffusers", _snapshot_folder(folder, DIFFUSERS_REPO)):
        write_diffusers_pipeline(place, prompts)
    for target in (checkpoints / "tiny-miro-hub", _snapshot_folder(folder, "nicolas-dufour/miro")):
        write_hub_layout(target, checkpoints / "tiny-miro")


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
