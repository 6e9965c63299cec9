from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from reports import report
from reports.leaderboard.files import model_index
from reports.leaderboard.table import make_leaderboard
from reports.read.runs import read_run
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import SMALL, rewards, sweep, write_rows


def index(*folders: Path) -> str:
    return model_index(make_leaderboard([summarise_run(read_run(folder, CARDS)) for folder in folders]))


def make_run(folder: Path, **manifest: object) -> Path:
    write_rows(folder / "results.jsonl", sweep(SMALL))
    write_rows(folder / "rewards.jsonl", [rewards(0, 0, {"image_reward": -0.5}), rewards(1, 0, {"image_reward": 0.0})])
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def test_scores_and_rewards_with_their_names(tmp_path: Path) -> None:
    (entry,) = yaml.safe_load(index(make_run(tmp_path / "a", name='a "model": #1')))["model-index"]
    name, results = model_index_to_eval_results([entry])
    assert name == 'a "model": #1'
    found = {result.metric_type: result for result in results}
    assert len(found) == 7 + 1
    assert (found["geneval_overall"].metric_value, found["geneval_overall"].dataset_type) == (0.5, "geneval")
    assert found["image_reward"].metric_name == "mean ImageReward v1.0 (2 of 2,212 images)"
    assert found["image_reward"].metric_value == -0.25
    assert {result.task_type for result in results} == {"text-to-image"}


def test_random_weights_are_left_out(tmp_path: Path) -> None:
    assert index(make_run(tmp_path / "a", random_weights=True)) == "model-index: []\n"


def test_a_report_has_it(tmp_path: Path) -> None:
    report([make_run(tmp_path / "a")], tmp_path / "out", cards=CARDS)
    assert (tmp_path / "out" / "model-index.yaml").read_text() == index(tmp_path / "a")


NAMES = ("miro-\U0001f680-v2", "\U00020bb7野家/模型", 'a\\b "c" #1: {x}', "Émile", "NA", "=1+1", "\u2066x", "- y: z")
LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.mark.parametrize("loader", LOADERS)
def test_both_readers_of_yaml_and_the_hubs_cards_read_every_name(tmp_path: Path, loader: type) -> None:
    folders = [make_run(tmp_path / str(place), name=name) for place, name in enumerate(NAMES)]
    shown = {read_run(folder).name for folder in folders}
    entries = yaml.load(index(*folders), loader)["model-index"]
    assert {entry["name"] for entry in entries} == shown
    for entry in entries:
        card = ModelCard(f"---\n{yaml.safe_dump({'model-index': [entry]})}---\n# x\n")
        assert card.data.model_name in shown
        assert len(card.data.eval_results) == 8
        card.save(tmp_path / "README.md")
        assert ModelCard.load(tmp_path / "README.md").data.eval_results == card.data.eval_results
