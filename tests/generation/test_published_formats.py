"""The worker on a text encoder as it is published: in shards, with the decoder; against the tiny world's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.generation.conftest import World
from tests.generation.jobs import items_of, make_job

ROOT = Path(__file__).resolve().parents[2]


def _published(world: Path) -> None:
    """FLAN-T5 in two shards with an index; the whole model, of which only the encoder is used."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = next((world / "hub" / "models--google--flan-t5-xl" / "snapshots").iterdir())
    state = load_file(folder / "model.safetensors")
    decoder = {key.replace("encoder.", "decoder."): value for key, value in state.items() if key.startswith("encoder.")}
    state |= decoder | {"lm_head.weight": torch.zeros(8, 8)}
    keys, names = sorted(state), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    parts = dict(zip(names, (keys[: len(keys) // 2], keys[len(keys) // 2 :]), strict=True))
    for name, part in parts.items():
        save_file({key: state[key].clone() for key in part}, folder / name, {"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": {key: name for name, part in parts.items() for key in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_positions": 512, "output_past": True}))


def _images(world: Path, folder: Path) -> dict[str, bytes]:
    """What a run makes in a process of its own, whose hub cache is ``world``."""
    job = make_job(folder, items_of([0, 200]), checkpoint=str(world / "checkpoints" / "tiny-miro" / "last.ckpt"))
    folder.mkdir(exist_ok=True)
    job.write(folder / "job.json")
    variables = os.environ | {"PYTHONPATH": str(ROOT), "HF_HOME": str(world), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "generation", str(folder / "job.json")]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return {str(path.relative_to(job.run_dir)): path.read_bytes() for path in Path(job.run_dir).rglob("*.png")}


def test_a_sharded_text_encoder_with_its_decoder_gives_the_same_images(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder, tmp_path / "published")
    _published(tmp_path / "published")
    own = _images(world.folder, tmp_path / "own")
    assert len(own) == 2
    assert _images(tmp_path / "published", tmp_path / "theirs") == own
