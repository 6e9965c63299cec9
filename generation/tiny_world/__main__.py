"""``python -m generation.tiny_world FOLDER``: write the tiny world into FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: The name under which the tiny pipeline of diffusers is in the hub cache.
DIFFUSERS_REPO = "stable-diffusion-v1-5/stable-diffusion-v1-5"


def main() -> None:
    """Read the folder from the command line and fill it."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m generation.tiny_world FOLDER")
    write_world(Path(sys.argv[1]).resolve())


def write_world(folder: Path) -> None:
    """Fill ``folder`` with the tiny world; the same bytes each time.

    Sets ``HF_HOME``, which must happen before anything of the hub's libraries is imported.
    """
    os.environ.update(HF_HOME=str(folder), HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    import torch

    from generation.suites import SUITES
    from generation.tiny_world.checkpoint import write_checkpoint
    from generation.tiny_world.diffusers_pipeline import write_diffusers_pipeline
    from generation.tiny_world.encoders import TEXT_WIDTH, write_text_encoder, write_vae
    from generation.tiny_world.hub_cache import snapshot_folder
    from generation.tiny_world.hub_layout import write_hub_layout
    from generation.tiny_world.hydra_config import LATENT_SIZE

    torch.manual_seed(0)
    write_vae(snapshot_folder(folder, "stabilityai/sdxl-vae"), LATENT_SIZE)
    prompts = [line["prompt"] for line in SUITES["geneval"].lines]
    write_text_encoder(snapshot_folder(folder, "google/flan-t5-xl"), prompts)
    checkpoints = folder / "checkpoints"
    write_checkpoint(checkpoints / "tiny-miro", TEXT_WIDTH)
    for place in (checkpoints / "tiny-diffusers", snapshot_folder(folder, DIFFUSERS_REPO)):
        write_diffusers_pipeline(place, prompts)
    for target in (checkpoints / "tiny-miro-hub", snapshot_folder(folder, "nicolas-dufour/miro")):
        write_hub_layout(target, checkpoints / "tiny-miro")


if __name__ == "__main__":
    main()
