"""DPG-Bench in one command: the suite's questions, the judge in its own environment, both ways of counting."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content, rows
from tests.real_environments import MIRO_EVAL, environment, miro_eval, world
from wire.dpg import image_score

QUESTIONS = (
    ("Is there a bench?", "0"),
    ("Is the bench green?", "1"),
    ("Is it left of a cow?", "1,2"),
    ("Is there a cow?", "0"),
)
SHORT = ("--samples", "2", "--steps", "2", "--device", "cpu", "--metric", "aesthetic", "--tiny-world")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three prompts, each with its questions, as ``suites fetch dpg`` keeps them."""
    lines, row = [], 0
    for prompt in range(3):
        asked = []
        for number, (question, depends) in enumerate(QUESTIONS[: prompt + 2], start=1):
            entry = {"id": str(number), "depends": depends, "tuple": "entity - whole (bench)", "question": question}
            asked.append(entry | {"row": row})
            row += 1
        lines.append({"id": f"item{prompt}", "prompt": f"a green bench, {prompt}", "dpg": asked})
    path = tmp_path_factory.mktemp("dpg") / "dense.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def run(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment("mplug")
    out = tmp_path_factory.mktemp("dpg") / "run"
    answer = miro_eval("all", world().checkpoint, "--suite", suite, *SHORT, "--out", out)
    assert answer.returncode == 0, answer.stderr
    assert "dpg judges them, GenEval's detector is not used" in answer.stderr
    return out


def test_every_question_of_every_image_is_answered_and_counted(run: Path, suite: Path) -> None:
    lines = [json.loads(line) for line in suite.read_text().splitlines()]
    found = rows(run / "rewards.jsonl")
    assert len(found) == 6
    for row in found:
        asked = lines[int(str(row["prompt_index"]))]["dpg"]
        answers = row["details"]["dpg"]  # type: ignore[index]
        assert [one["question"] for one in answers] == [one["question"] for one in asked]
        assert all(isinstance(one["answer"], str) for one in answers)
        yes = {one["id"]: one["answer"] == "yes" for one in answers}
        assert row["dpg"] == image_score(yes, {one["id"]: one["depends"] for one in answers})
        assert isinstance(row["aesthetic"], float)  # from another environment, in the same row


def test_both_ways_are_reported(run: Path) -> None:
    (row,) = csv.DictReader((run / "report" / "leaderboard.csv").read_text().splitlines())
    record = json.loads((run / "rewards_summary.json").read_text())["dpg"]
    assert float(row["dpg"]) == pytest.approx(record["fixed"]["score"] / 100)
    assert "DPG-Bench: " in row["notes"]
    assert "as its script counts" in row["notes"]
    assert record["fixed"]["questions"]["entity - whole"] == 2 * (2 + 3 + 4)
    # The script loses the file's first question, on which the first prompt's second rests, and so drops that prompt.
    assert record["dropped"] == 1
    assert record["paper"]["questions"]["entity - whole"] == 3 + 4


def test_the_environments_stand_in_the_manifest_and_a_second_run_does_nothing(run: Path, suite: Path) -> None:
    packages = json.loads((run / "run.json").read_text())["stages"]["rewards"]
    assert "modelscope" in json.dumps(packages)
    before = content(run)
    again = miro_eval("all", world().checkpoint, "--suite", suite, *SHORT, "--out", run)
    assert again.returncode == 0, again.stderr
    assert content(run) == before


def test_killed_while_it_asks_the_next_run_ends_with_the_same_bytes(run: Path, suite: Path, tmp_path: Path) -> None:
    arguments = ["all", str(world().checkpoint), "--suite", str(suite), *SHORT, "--out", str(tmp_path / "run")]
    process = subprocess.Popen([MIRO_EVAL, *arguments], stderr=subprocess.DEVNULL, start_new_session=True)
    work = tmp_path / "run" / "work"
    for _ in range(600):
        if any('"dpg"' in path.read_text() for path in work.glob("*.rows.jsonl")) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = miro_eval(*arguments)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "rewards.jsonl").read_bytes() == (run / "rewards.jsonl").read_bytes()
