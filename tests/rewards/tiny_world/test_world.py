from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from rewards.scorers import SCORERS
from rewards.scorers.clip_jina import PINS
from rewards.tiny_world.clip import write_hps, write_openai_clip
from rewards.tiny_world.flan_t5 import write_tokenizers
from rewards.tiny_world.parts import randomise
from tests.rewards.pairs import HERE


def test_every_metric_finds_its_weights_by_their_real_names(files: Mapping[str, str]) -> None:
    for metric, scorer in ((metric, SCORERS[metric]) for metric in HERE):
        named = {weight.source for weight in scorer.card.weights}
        assert {weight.source for weight in scorer().resolve(files)} <= named, metric


def test_the_pinned_repositories_appear_at_their_pinned_commits(world: Path) -> None:
    for repo, revision in PINS.items():
        assert (world / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / revision).is_dir()


def test_it_is_small(world: Path) -> None:
    written = [path for top in ("hub", "files") for path in (world / top).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) < 80e6


def test_the_same_bytes_every_time(world: Path, tmp_path: Path) -> None:
    write_hps(tmp_path)
    write_tokenizers(tmp_path)
    again = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(again) == 13
    for path in again:
        assert path.read_bytes() == (world / "hub" / path.relative_to(tmp_path)).read_bytes(), path


def test_what_another_stage_wrote_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "models--google--flan-t5-xl" / "refs" / "main"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    write_tokenizers(tmp_path)
    assert theirs.read_text() == "theirs"
    assert not (theirs.parents[1] / "snapshots").exists()


def test_the_openai_file_has_the_published_key_layout(tmp_path: Path) -> None:
    write_openai_clip(tmp_path / "clip.pt")
    state = torch.load(tmp_path / "clip.pt", weights_only=True)
    assert state["visual.proj"].shape[1] == state["text_projection"].shape[1] == 768
    assert {"visual.conv1.weight", "visual.transformer.resblocks.0.attn.in_proj_weight", "logit_scale"} <= set(state)


def test_a_parameters_values_depend_on_its_name_and_the_seed_only() -> None:
    def two(first: str, second: str) -> torch.nn.ModuleDict:
        return torch.nn.ModuleDict({first: torch.nn.Linear(3, 3), second: torch.nn.Linear(3, 3)})

    one, other = two("a", "b"), two("b", "a")
    randomise(one, 1)
    randomise(other, 1)
    assert torch.equal(one["a"].weight, other["a"].weight)
    assert not torch.equal(one["a"].weight, one["b"].weight)
    assert not torch.equal(one["a"].weight, randomise(two("a", "b"), 2).get_submodule("a").weight)
