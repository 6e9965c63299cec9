"""The worker on files in the formats that the published repositories have, against the tiny world's own.

Published, and not in the tiny world: weights in shards with an index, in safetensors and in pickles; ``position_ids``
that newer versions of transformers no longer save; half precision; a vision tower inside of VQAScore's shards;
further keys in configurations; ``tokenizer.json`` as newer versions of tokenizers write it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rewards.conftest import WORLD_FILES
from tests.rewards.jobs import image_items, make_job
from wire.protocol import read_rows
from wire.vocabulary import SEVEN_REWARDS

ROOT = Path(__file__).resolve().parents[2]
TOKENS, HALF = 77, ("clip_jina",)
State = dict[str, Any]


def _snapshot(world: Path, repo: str) -> Path:
    return next((world / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots").iterdir())


def _in_shards(folder: Path, state: State, name: str, save: Callable[[State, Path], None]) -> None:
    """Two shards and their index in place of ``name``."""
    stem, end = name.split(".", 1)
    keys = sorted(state)
    parts = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
    shards = {f"{stem}-{number:05d}-of-00002.{end}": part for number, part in enumerate(parts, start=1)}
    for shard, part in shards.items():
        save({key: state[key] for key in part}, folder / shard)
    index = {
        "metadata": {"total_size": 1},
        "weight_map": {key: shard for shard, part in shards.items() for key in part},
    }
    (folder / f"{name}.index.json").write_text(json.dumps(index))
    (folder / name).unlink()


def _save_tensors(state: State, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({key: value.clone() for key, value in state.items()}, path, {"format": "pt"})


def _positions(state: State) -> State:
    """The buffers that older versions saved with the weights of a CLIP."""
    import torch

    vision = len(state["vision_model.embeddings.position_embedding.weight"])
    return {
        "text_model.embeddings.position_ids": torch.arange(TOKENS)[None],
        "vision_model.embeddings.position_ids": torch.arange(vision)[None],
    }


def _more_configuration(folder: Path, **keys: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_name_or_path": "trained/here"} | keys))


def _published(world: Path) -> None:
    """Rewrite the world's files in place."""
    import torch
    from safetensors.torch import load_file

    tower_at = _snapshot(world, "openai/clip-vit-large-patch14-336")
    tower = load_file(tower_at / "model.safetensors")
    positions = _positions(tower)
    for repo in ("zhiqiulin/clip-flant5-xl", "zhiqiulin/clip-flant5-xxl"):
        folder = _snapshot(world, repo)
        state = torch.load(folder / "pytorch_model.bin", weights_only=True)
        if repo.endswith("xxl"):  # these shards hold the tower too
            inside = tower | positions
            state |= {f"vision_tower.vision_tower.{k}": v for k, v in inside.items() if k.startswith("vision_model.")}
        _in_shards(folder, state, "pytorch_model.bin", torch.save)
        _more_configuration(
            folder, tune_mm_mlp_adapter=False, freeze_mm_mlp_adapter=True, transformers_version="4.31.0"
        )
    torch.save(tower | positions, tower_at / "pytorch_model.bin")
    (tower_at / "model.safetensors").unlink()
    pick = _snapshot(world, "yuvalkirstain/PickScore_v1") / "model.safetensors"
    _save_tensors((state := load_file(pick)) | _positions(state), pick)
    science = _snapshot(world, "Jialuo21/SciScore")
    _in_shards(science, load_file(science / "model.safetensors"), "model.safetensors", _save_tensors)
    jina = _snapshot(world, "jinaai/jina-clip-v2") / "model.safetensors"
    _save_tensors({k: v.half() if v.is_floating_point() else v for k, v in load_file(jina).items()}, jina)
    hps = _snapshot(world, "xswu/HPSv2") / "HPS_v2.1_compressed.pt"
    torch.save({"epoch": 1, "name": "ViT-H-14"} | torch.load(hps, weights_only=True), hps)


def _newer_tokenizer(world: Path) -> None:
    """SciScore's ``tokenizer.json`` with merges as pairs, which tokenizers 0.19 cannot read."""
    from transformers import CLIPTokenizerFast

    folder = _snapshot(world, "Jialuo21/SciScore")
    CLIPTokenizerFast.from_pretrained(folder).backend_tokenizer.save(str(folder / "tokenizer.json"))
    record = json.loads((folder / "tokenizer.json").read_text())
    record["model"]["merges"] = [merge.split(" ") for merge in record["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(record))


def _values(world: Path, folder: Path) -> dict[tuple[str, str], float]:
    """Every cell of a run in a process of its own, whose hub cache is ``world``."""
    items = image_items(folder / "run", prompts=3, samples=1)
    files = {name: str(world / "files" / file) for name, file in WORLD_FILES.items()}
    make_job(folder, items, {"files": files, "batch_size": 2, "device": "cpu"}).write(folder / "job.json")
    variables = os.environ | {"PYTHONPATH": str(ROOT), "HF_HOME": str(world), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "rewards", str(folder / "job.json")]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return {(row["filename"], row["metric"]): row["value"] for row in read_rows(folder / "cells.jsonl")}


def test_published_formats_give_the_same_numbers(world: Path, files: Mapping[str, str], tmp_path: Path) -> None:
    as_published = tmp_path / "published"
    shutil.copytree(world, as_published, ignore=shutil.ignore_patterns("modules"))
    _published(as_published)
    _newer_tokenizer(as_published)
    expected, found = _values(world, tmp_path / "own"), _values(as_published, tmp_path / "theirs")
    assert {metric for _, metric in found} == set(SEVEN_REWARDS)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == (pytest.approx(value, abs=1e-3) if key[1] in HALF else value), key
