"""The published layout, as a folder and as a cached repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoint_kinds import describe_checkpoint  # noqa: E402 - torch decides whether this module runs
from generation.checkpoints import LoadedCheckpoint, load_checkpoint  # noqa: E402
from generation.miro_model import MiroModel  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from wire.errors import EnvironmentFailure, UserError  # noqa: E402

REPO = "nicolas-dufour/miro"


def load(text: str, **more: str) -> LoadedCheckpoint:
    return load_checkpoint(describe_checkpoint(text, **more))


@pytest.mark.parametrize("kind", ["folder", "repo"])
def test_weights_equal_those_of_the_lightning_checkpoint(world: World, model: MiroModel, kind: str) -> None:
    published = load(REPO if kind == "repo" else str(world.hub_folder)).model
    mine, others = published.network.state_dict(), model.network.state_dict()
    assert all(torch.equal(mine[key], others[key]) for key in others)
    assert torch.equal(published.uncond_embedding, model.uncond_embedding)
    assert (published.axes, published.latent_shape) == (model.axes, model.latent_shape)


def test_provenance_names_repository_commit_and_hash(world: World) -> None:
    weights = load(REPO).weights
    by_file = {entry.get("file"): entry for entry in weights}
    commit = next((world.folder / "hub/models--nicolas-dufour--miro/snapshots").iterdir()).name
    assert by_file["model.safetensors"]["revision"] == commit
    assert len(by_file["model.safetensors"]["sha256"]) == 64
    assert {"stabilityai/sdxl-vae", REPO} == {entry["repo"] for entry in weights}


def test_commit_can_be_demanded(world: World) -> None:
    commit = load(REPO).revision
    assert load(f"{REPO}@{commit}").revision == commit


@pytest.mark.parametrize("text", ["some-owner/not-cached", f"{REPO}@{'0' * 40}", f"{REPO}@v9"])
def test_offline_and_not_cached(world: World, text: str) -> None:
    with pytest.raises(EnvironmentFailure, match=r"not in the hub cache .*, and the hub is offline") as caught:
        load(text)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_name_the_hub_forbids(world: World) -> None:
    with pytest.raises(UserError, match="not a repository id"):
        load("owner/double--dash..dots")


@pytest.fixture
def own_folder(world: World, tmp_path: Path) -> Path:
    shutil.copytree(world.hub_folder, tmp_path / "copy")
    return tmp_path / "copy"


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(str(folder))
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_damaged_files(own_folder: Path) -> None:
    weights = (own_folder / "model.safetensors").read_bytes()
    (own_folder / "model.safetensors").write_bytes(weights[:5000])
    assert "do not make a MIRO model" in refusal(own_folder)
    (own_folder / "config.json").write_text("{")
    assert "config.json is not readable JSON" in refusal(own_folder)


def test_configuration_of_another_network(own_folder: Path) -> None:
    config = json.loads((own_folder / "config.json").read_text())
    config["network"]["num_blocks"] = 2
    (own_folder / "config.json").write_text(json.dumps(config))
    assert 'Missing key(s) in state_dict: "rin_blocks.1' in refusal(own_folder)
    del config["network"]
    (own_folder / "config.json").write_text(json.dumps(config))
    assert "network" in refusal(own_folder)
