"""Of the files published by address a run asks for those that its metrics are computed with, and does without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.doctor.hub import quickly
from harness.run.directory import RunDirectory
from harness.run.settings import RewardSettings, RunSettings
from harness.stages.registry import STAGES
from harness.stages.rewards import REWARDS
from harness.weights import load_hub, weights_of
from harness.weights.weight_source import PublishedWeights, TinyWorld
from rewards.scorers import SCORERS, weight_sources
from tests.harness.test_rewards_verbs import EXAMPLE
from wire.errors import EnvironmentFailure


def nothing(_done: int, _total: int, _label: str) -> None:
    pass


def wanted(**chosen: tuple[str, ...]) -> frozenset[str]:
    names = REWARDS.wanted(RunSettings(rewards=RewardSettings(**chosen)))  # type: ignore[arg-type]
    assert names is not None
    return names


@pytest.mark.parametrize("metric", SCORERS)
def test_a_metric_wants_its_own_files(metric: str) -> None:
    files = {weight.name for weight in weights_of("rewards")}
    assert wanted(metrics=(metric,)) & files == (files if metric == "aesthetic" else set())
    assert wanted(metrics=(metric,)) == {weight.source for weight in SCORERS[metric].card.weights}


def test_all_metrics_together_want_what_the_list_has_for_the_stage() -> None:
    listed = {weight.name for weight in weights_of("rewards")}
    listed |= {entry.repo for entry in load_hub().values() if "rewards" in entry.stages}
    assert weight_sources(SCORERS) == listed


def test_an_own_scorer_wants_what_its_card_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = EXAMPLE.replace("weights=()", 'weights=(Weight("aesthetic-mlp", "head.pth", LISTED),)')
    text = text.replace("import SpecCard", "import LISTED, SpecCard, Weight")
    (tmp_path / "weighed_brightness.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert wanted(metrics=("vqa",), scorers=("weighed_brightness:Brightness",)) - wanted(metrics=("vqa",)) == {
        "aesthetic-mlp"
    }


def test_what_is_not_wanted_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    offline = PublishedWeights(offline=True)
    assert offline.prepare("rewards", nothing, wanted(metrics=("pick_score", "vqa"))) == []
    (problem,) = offline.prepare("rewards", nothing, {"aesthetic-mlp"})
    assert problem.startswith("weights aesthetic-mlp are not here and the run is offline: bring the file")
    assert len(offline.prepare("rewards", nothing, wanted())) == 2
    with pytest.raises(EnvironmentFailure, match="weights mask2former are not here"):
        offline.prepare("geneval", nothing)
    assert TinyWorld(tmp_path).prepare("rewards", nothing, wanted()) == []


def test_before_a_run_only_what_it_wants_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))

    def missed(environments: list[str], **chosen: tuple[str, ...]) -> str:
        (found,) = quickly(environments, wanted={"rewards": wanted(**chosen)})
        return found.text

    assert missed(["rewards"], metrics=("pick_score",)).endswith("offline: pick-score, clip-vit-h-14")
    assert "clip-vit-l-14, aesthetic-mlp" in missed(["rewards"])
    assert "mask2former, clip-vit-l-14, pick-score" in missed(["geneval", "rewards"], metrics=("pick_score",))


def test_stages_that_need_all_their_weights_name_none() -> None:
    assert [name for name, stage in STAGES.items() if stage.wanted(RunSettings())] == ["rewards"]


@pytest.mark.parametrize("prompt", ["", " ", "\t"])
def test_an_image_without_a_prompt_is_an_image_of_the_run(prompt: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_prompts({0: {"tag": "colors", "prompt": prompt}})
    (tmp_path / "00000" / "samples").mkdir()
    (tmp_path / "00000" / "samples" / "0000.png").write_bytes(b"an image")
    assert [item.prompt for item in run.scan()] == [prompt]
