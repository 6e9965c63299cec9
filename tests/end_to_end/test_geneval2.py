"""GenEval 2 in one command: images, Soft-TIFA's answers, leaderboard, gallery and gate, through three environments."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content, rows
from tests.real_environments import miro_eval, world
from tests.shared_data import shared

SHORT = ("--limit", "3", "--samples", "2", "--steps", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three of the suite's prompts; a file of the suite's content is that suite."""
    out, suite = tmp_path_factory.mktemp("geneval2") / "run", shared("data/geneval2/geneval2_data.jsonl")
    answer = miro_eval("demo", "--suite", suite, *SHORT, "--out", out)
    assert answer.returncode == 0, answer.stderr
    assert "soft_tifa judges them, GenEval's detector is not used" in answer.stderr
    return out


def test_every_question_of_every_image_is_answered(demo: Path) -> None:
    assert not (demo / "results.jsonl").exists()
    assert json.loads((demo / "run.json").read_text())["suite"]["id"] == "geneval2"
    found = rows(demo / "rewards.jsonl")
    assert len(found) == 6
    lines = [json.loads(line) for line in shared("data/geneval2/geneval2_data.jsonl").read_text().splitlines()]
    for row in found:
        line, details = lines[int(str(row["prompt_index"]))], row["details"]
        assert isinstance(details, dict)
        assert row["prompt"] == line["prompt"]
        assert [[one["question"], one["answer"]] for one in details["soft_tifa"]] == line["vqa_list"]
        assert [one["skill"] for one in details["soft_tifa"]] == line["skills"]
    kept = [json.loads(path.read_text()) for path in sorted(demo.glob("*/metadata.jsonl"))]
    assert all(line in lines for line in kept)


def test_the_leaderboard_has_the_headline_of_the_rows(demo: Path) -> None:
    (row,) = csv.DictReader((demo / "report" / "leaderboard.csv").read_text().splitlines())
    means = []
    for image in rows(demo / "rewards.jsonl"):
        details = image["details"]
        assert isinstance(details, dict)
        answers = [one["p"] for one in details["soft_tifa"]]
        means.append(math.exp(sum(map(math.log, answers)) / len(answers)))
    assert float(row["geneval2"]) == pytest.approx(100 * sum(means) / len(means))
    assert (row["suite"], row["group"], row["coverage"]) == ("geneval2", "geneval 2 incomplete", "3 of 800 prompts")
    assert "incomplete sweep of GenEval 2: 3 of 800 prompts" in row["notes"]


def test_the_same_command_again_and_the_verbs_that_read_it(demo: Path, tmp_path: Path) -> None:
    before = content(demo)
    suite = shared("data/geneval2/geneval2_data.jsonl")
    again = miro_eval("all", world().checkpoint, "--suite", suite, *SHORT, "--tiny-world", "--out", demo)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("nothing to do") >= 2
    assert content(demo) == before
    (tmp_path / "gate.toml").write_text("[metrics.geneval2_count]\nmargin = 3\n")
    for command in (
        ("baseline", "save", demo, tmp_path / "saved.json"),
        ("compare", demo, tmp_path / "saved.json"),
        ("check", demo, "--baseline", tmp_path / "saved.json", "--policy", tmp_path / "gate.toml"),
        ("check", demo, "--baseline", tmp_path / "saved.json"),
        ("publish", demo, "--to", "me/rows", "--out", tmp_path / "publish"),
        ("view", demo, "--out", tmp_path / "gallery"),
        ("analyse", demo, "--judges", "--out", tmp_path / "analysis"),
    ):
        answer = miro_eval(*command)
        assert answer.returncode == 0, f"{command}\n{answer.stdout}{answer.stderr}"
    question = rows(demo / "rewards.jsonl")[0]["details"]["soft_tifa"][0]["question"]  # type: ignore[index]
    assert question in (tmp_path / "gallery" / "index.html").read_text()
    judges = (tmp_path / "analysis" / "judges.md").read_text()
    assert "| vqa, soft_tifa | 6 |" in judges
    assert "AUROC" not in judges
    card = (tmp_path / "publish" / "README.md").read_text()
    assert "- geneval2\n" in card
    assert "verdict" not in card.partition("# Leaderboard")[0]
