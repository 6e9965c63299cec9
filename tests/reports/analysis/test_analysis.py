from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reports.analysis import write_analysis
from reports.statistics.best_of_n import expected_best, expected_of_best
from tests.reports.builders import rewards, verdict, write_rows
from tests.shared_data import shared
from wire.vocabulary import TAGS

Numbers = dict[tuple[str, str, str], dict[str, str]]


def analysed(run: Path, out: Path) -> Numbers:
    with write_analysis([run], out).csv.open(newline="") as lines:
        return {(row["analysis"], row["subject"], row["quantity"]): row for row in csv.DictReader(lines)}


def make_run(folder: Path) -> tuple[Path, list[dict[str, Any]], list[dict[str, Any]]]:
    random = np.random.default_rng(0)
    judged, scored = [], []
    for prompt in range(12):
        for sample in range(3):
            correct = bool(random.random() < 0.5)
            judged.append(verdict(prompt, sample, TAGS[prompt % 6], correct))
            values = {"image_reward": round(float(random.normal(correct)), 1), "vqa": float(random.random())}
            scored.append(rewards(prompt, sample, values))
    write_rows(folder / "results.jsonl", judged)
    write_rows(folder / "rewards.jsonl", scored)
    return folder, judged, scored


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_expected_of_best_is_the_mean_over_all_subsets(size: int) -> None:
    selector = np.array([3.0, 1.0, 2.0, 2.0, 3.0])
    targets = np.array([[1.0, 3.0], [0.0, 1.0], [1.0, 2.0], [0.0, 2.0], [0.0, 3.0]])
    means = []
    for subset in combinations(range(5), size):
        best = [place for place in subset if selector[place] == max(selector[list(subset)])]
        means.append(targets[best].mean(axis=0))
    found = expected_of_best(selector, targets, size)
    assert found == pytest.approx(np.mean(means, axis=0))
    assert found[1] == pytest.approx(expected_best(selector, size))


def test_best_of_one_is_the_run_itself_and_of_all_its_best_images(tmp_path: Path) -> None:
    run, judged, scored = make_run(tmp_path / "run")
    found = analysed(run, tmp_path)
    by_tag = [[row["correct"] for row in judged if row["tag"] == tag] for tag in TAGS]
    assert float(found["best_of_1", "vqa", "overall"]["value"]) == pytest.approx(np.mean([np.mean(x) for x in by_tag]))
    best = [max(row["vqa"] for row in scored if row["prompt_index"] == prompt) for prompt in range(12)]
    assert float(found["best_of_3", "vqa", "vqa"]["value"]) == pytest.approx(np.mean(best))
    assert {name for name, _, _ in found if name.startswith("best")} == {"best_of_1", "best_of_2", "best_of_3"}


def test_agreement_is_scipys(tmp_path: Path) -> None:
    run, judged, scored = make_run(tmp_path / "run")
    found = analysed(run, tmp_path)
    right = np.array([row["correct"] for row in judged])
    reward = np.array([row["image_reward"] for row in scored])
    expected = stats.mannwhitneyu(reward[right], reward[~right]).statistic / (right.sum() * (~right).sum())
    assert float(found["reward_against_verdict", "image_reward", "AUC"]["value"]) == pytest.approx(expected)
    vqa = [row["vqa"] for row in scored]
    correlation = float(found["reward_correlation", "image_reward", "vqa"]["value"])
    assert correlation == pytest.approx(stats.spearmanr(reward, vqa).statistic)


def test_agreement_within_prompts(tmp_path: Path) -> None:
    run, judged, scored = make_run(tmp_path / "run")
    pairs = [
        (scored[a]["vqa"], scored[b]["vqa"])
        for a in range(36)
        for b in range(36)
        if a // 3 == b // 3 and judged[a]["correct"] and not judged[b]["correct"]
    ]
    row = analysed(run, tmp_path)["reward_against_verdict", "vqa", "AUC within prompts"]
    assert (int(row["size"]), row["unit"]) == (len(pairs), "pairs")
    assert float(row["value"]) == pytest.approx(np.mean([right > wrong for right, wrong in pairs]))


def test_one_image_a_prompt_gives_no_choice(tmp_path: Path) -> None:
    write_rows(tmp_path / "rewards.jsonl", [rewards(prompt, 0) for prompt in range(4)])
    assert not [key for key in analysed(tmp_path, tmp_path / "out") if key[0].startswith("best_of")]


@pytest.mark.parametrize(
    "metadata", ["not json", "[]", '{"include": 3}', '{"include": [7, {"class": 3, "position": []}]}']
)
def test_odd_metadata_are_left_out(tmp_path: Path, metadata: str) -> None:
    run = write_rows(tmp_path / "results.jsonl", [verdict(0, 0, "colors", True, metadata=metadata)])
    assert {analysis for analysis, _, _ in analysed(run, tmp_path / "out")} == {"pass_at_k"}


def test_the_real_file_by_class_and_relation(tmp_path: Path) -> None:
    source = shared("data/geneval/genediteval_results.jsonl")
    found = analysed(source, tmp_path)
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    asked = [(json.loads(row["metadata"])["include"], row["correct"]) for row in rows]
    dogs = [correct for include, correct in asked if any(clause["class"] == "dog" for clause in include)]
    assert float(found["class", "dog", "accuracy"]["value"]) == pytest.approx(np.mean(dogs))
    relations = {subject: int(row["size"]) for (name, subject, _), row in found.items() if name == "relation"}
    assert set(relations) == {"left of", "right of", "above", "below"}
    assert sum(relations.values()) == 400
    assert sum(int(row["size"]) for (name, _, _), row in found.items() if name == "count") == 320
    assert len([name for name, _, _ in found if name == "class"]) == 80
    markdown = (tmp_path / "analysis.md").read_text()
    assert "| left of |" in markdown


def test_pass_at_k_is_the_share_of_subsets_with_a_right_image(tmp_path: Path) -> None:
    run, judged, _ = make_run(tmp_path / "run")
    found = analysed(run, tmp_path)
    for size in (1, 2, 3):
        by_tag = []
        for tag in TAGS:
            prompts = {row["prompt"]: [] for row in judged if row["tag"] == tag}
            for row in judged:
                if row["tag"] == tag:
                    prompts[row["prompt"]].append(row["correct"])
            by_tag.append(np.mean([np.mean([any(part) for part in combinations(x, size)]) for x in prompts.values()]))
            assert float(found["pass_at_k", tag, f"pass@{size}"]["value"]) == pytest.approx(by_tag[-1])
        assert float(found["pass_at_k", "overall", f"pass@{size}"]["value"]) == pytest.approx(np.mean(by_tag))


def test_pass_at_one_of_the_real_file_is_its_geneval_score(tmp_path: Path) -> None:
    found = analysed(shared("data/geneval/genediteval_results.jsonl"), tmp_path)
    assert float(found["pass_at_k", "overall", "pass@1"]["value"]) == pytest.approx(0.57406, abs=5e-6)


def test_radars_of_two_runs(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name)[0] for name in ("one", "two")]
    write_rows(runs[1] / "rewards.jsonl", [rewards(0, 0), rewards(1, 0)])
    write_rows(runs[0] / "rewards.jsonl", [rewards(1, 0), rewards(2, 0)])
    radars = write_analysis(runs, tmp_path / "out").radars
    assert [path.name for path in radars] == ["radar_tags.png", "radar_rewards.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in radars)


def test_one_run_alone_has_no_radar_of_rewards(tmp_path: Path) -> None:
    run, _, _ = make_run(tmp_path / "run")
    assert [path.name for path in write_analysis([run], tmp_path / "out").radars] == ["radar_tags.png"]
