from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rewards.hub import hub_file, local_file, model_files, snapshot
from wire.errors import EnvironmentFailure


def test_a_repository_that_is_not_cached_is_one_clear_line(world: Path) -> None:
    for call in (
        lambda: snapshot("nobody/nothing"),
        lambda: hub_file("xswu/HPSv2", "HPS_v9.pt"),
        lambda: model_files("nobody/nothing"),
        lambda: snapshot("xswu/HPSv2", revision="0" * 40),
    ):
        with pytest.raises(EnvironmentFailure, match=r"not in the hub cache .*HF_HUB_OFFLINE.*HF_HOME") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_weights_are_found_whole_or_in_shards(world: Path) -> None:
    assert [file.path.name for file in model_files("Jialuo21/SciScore")] == ["model.safetensors"]
    assert [file.path.name for file in model_files("zhiqiulin/clip-flant5-xxl")] == ["pytorch_model.bin"]
    folder = world / "hub/models--some--shards/snapshots/abc"
    folder.mkdir(parents=True)
    (world / "hub/models--some--shards/refs").mkdir()
    (world / "hub/models--some--shards/refs/main").write_text("abc")
    shards = {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin", "c": "pytorch_model-1.bin"}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": shards}))
    for name in shards.values():
        (folder / name).write_bytes(b"")
    found = model_files("some/shards")
    assert [file.path.name for file in found] == ["pytorch_model-1.bin", "pytorch_model-2.bin"]
    assert {file.revision for file in found} == {"abc"}


def test_a_file_by_path(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"abc")
    weight = local_file({"w": str(tmp_path / "w.pt")}, "w")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert weight.provenance() == {"source": "w", "revision": None, "file": "w.pt", "sha256": digest}
    with pytest.raises(EnvironmentFailure, match=r"weight w: gone.pt is not here; fetch it with `miro-eval weights"):
        local_file({"w": str(tmp_path / "gone.pt")}, "w")


def test_a_blobs_name_is_its_digest(tmp_path: Path) -> None:
    """Weights of gigabytes are not hashed again: the cache names a large file's blob by its digest."""
    blob = tmp_path / "blobs" / ("a" * 64)
    blob.parent.mkdir()
    blob.write_bytes(b"abc")
    link = tmp_path / "snapshots" / "c0ffee" / "w.bin"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    assert local_file({"w": str(link)}, "w").provenance()["sha256"] == "a" * 64
