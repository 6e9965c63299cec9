"""Everything this stage needs, in one folder that other stages' stand-ins share."""

from __future__ import annotations

from pathlib import Path

import torch

from rewards.tiny_world.blip import write_image_reward
from rewards.tiny_world.clip import (
    write_clip_repositories,
    write_clip_tower,
    write_dinov2,
    write_hps,
    write_openai_clip,
)
from rewards.tiny_world.flan_t5 import write_clip_flant5, write_tokenizers
from rewards.tiny_world.jina import write_jina
from rewards.tiny_world.parts import linear_head_state


def write_world(folder: Path) -> None:
    """Write ``folder/hub`` (``folder`` is then an ``HF_HOME``) and ``folder/files``; about 40 MB.

    The same bytes every time. What other stages write too is left as it is: OpenAI's CLIP and google/flan-t5-xl.
    """
    hub, files = folder / "hub", folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    hub.mkdir(exist_ok=True)
    (hub / "version.txt").write_text("1", encoding="ascii")  # else transformers sets out to migrate an old cache
    torch.save(linear_head_state(768, seed=11, center=5.0), files / "aesthetic-mlp.pth")
    if not (files / "clip-vit-l-14.pt").exists():
        write_openai_clip(files / "clip-vit-l-14.pt")
    write_clip_repositories(hub)
    write_dinov2(hub)
    write_hps(hub)
    write_image_reward(hub)
    write_clip_tower(hub)
    write_tokenizers(hub)
    write_clip_flant5(hub)
    write_jina(hub)
