"""DPG-Bench's two ways of counting, against the authors' script written down anew, on random answers."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.read.runs import read_run
from reports.summary.dpg_summary import DpgSummary
from reports.summary.run_summary import summarise_run, write_summaries
from tests.reports.builders import Row, write_rows
from wire.dpg import image_score

CATEGORIES = ("entity - whole", "entity - part", "attribute - color", "relation - spatial", "global")
SAMPLES = 4


def questions(prompts: int, seed: int = 3) -> list[list[Row]]:
    """Questions of each prompt, in the order of one file; some rest on others, one on what is not there."""
    draw, found, row = np.random.default_rng(seed), list[list[Row]](), 0
    for prompt in range(prompts):
        own = []
        for number in range(1, int(draw.integers(3, 12))):
            parents = sorted({int(one) for one in draw.integers(1, number, size=2)}) if number > 1 else []
            depends = parents if draw.random() < 0.6 else []
            depends = {(4, 3): [99], (7, 3): [1, 99]}.get((prompt, number), depends)
            category = CATEGORIES[int(draw.integers(len(CATEGORIES)))]
            own.append(
                {"id": number, "depends": depends, "category": category, "question": f"is it {row}?", "row": row}
            )
            row += 1
        found.append(own)
    return found


def answered(asked: list[list[Row]], seed: int = 5) -> list[Row]:
    """Rows of rewards, four images per prompt."""
    draw, rows = np.random.default_rng(seed), list[Row]()
    for prompt, own in enumerate(asked):
        for sample in range(SAMPLES):
            details = [one | {"answer": "yes" if draw.random() < 0.8 else "no"} for one in own]
            value = image_score(
                {one["id"]: one["answer"] == "yes" for one in details}, {one["id"]: one["depends"] for one in own}
            )
            rows.append({
                "filename": f"{prompt:05d}/samples/{sample:04d}.png",
                "prompt": f"prompt {prompt}",
                "prompt_index": prompt,
                "sample_index": sample,
                "dpg": value,
                "details": {"dpg": details},
            })  # fmt: skip
    return rows


def by_script(asked: list[list[Row]], rows: list[Row]) -> tuple[float, dict[str, float], int]:
    """Score, level-1 categories and dropped prompts as ``compute_dpg_bench.py`` gets them, fault for fault."""
    scores, categories, dropped = [], defaultdict(list), 0
    for prompt, own in enumerate(asked):
        questions = {one["id"]: one for one in own if one["row"] != 0}  # `if i == 0: continue`
        images = [row["details"]["dpg"] for row in rows if row["prompt_index"] == prompt]
        try:
            crops, raw = [], dict[int, float]()
            for image in images:
                found = {one["id"]: float(one["answer"] == "yes") for one in image if one["id"] in questions}
                raw = dict(found)
                for number, one in questions.items():
                    for parent in one["depends"]:
                        if found[parent] == 0:
                            found[number] = 0
                            break
                crops.append(sum(found.values()) / len(found))
            scores.append(sum(crops) / len(crops))
            for number, one in questions.items():  # `qid2scores_orig`: of the last crop
                categories[one["category"].split("-")[0].strip()].append(raw[number])
        except KeyError:  # `except Exception: print(...); continue`
            dropped += 1
    return 100 * float(np.mean(scores)), {name: 100 * float(np.mean(own)) for name, own in categories.items()}, dropped


def with_answer(rows: list[Row], prompt: int, number: int, answer: str) -> list[Row]:
    """The rows, with that answer to one question of a prompt in all its images."""
    kept = []
    for row in rows:
        details = [dict(one) for one in row["details"]["dpg"]]
        for one in details if row["prompt_index"] == prompt else []:
            one["answer"] = answer if one["id"] == number else one["answer"]
        kept.append(row | {"details": {"dpg": details}})
    return kept


def summary_of(folder: Path, rows: list[Row]) -> DpgSummary:
    write_rows(folder / "rewards.jsonl", rows)
    found = summarise_run(read_run(folder)).dpg
    assert found is not None
    return found


def test_paper_mode_is_the_script_s(tmp_path: Path) -> None:
    asked = questions(12)
    rows = answered(asked)
    score, categories, dropped = by_script(asked, rows)
    found = summary_of(tmp_path, rows)
    assert dropped >= 1
    assert (found.dropped, found.paper.prompts) == (dropped, 12 - dropped)
    assert found.paper.score == pytest.approx(score, rel=1e-12)
    level_1 = {name: value for name, value in found.paper.categories.items() if name in categories}
    assert level_1 == pytest.approx(categories, rel=1e-12)


def test_the_script_looks_up_no_question_behind_one_that_fails(tmp_path: Path) -> None:
    """A question that rests on 1 and on one that is not there drops its prompt only where 1 was answered yes."""
    asked = questions(12)
    for answer, dropped in (("no", 2), ("yes", 3)):  # among them the prompt of the lost question
        rows = with_answer(answered(asked), 7, 1, answer)
        score, _, lost = by_script(asked, rows)
        found = summary_of(tmp_path, rows)
        assert (found.dropped, lost) == (dropped, dropped)
        assert found.paper.score == pytest.approx(score, rel=1e-12)


def test_fixed_mode_counts_every_question_of_every_image(tmp_path: Path) -> None:
    asked = questions(12)
    rows = answered(asked)
    found = summary_of(tmp_path, rows)
    means = [np.mean([row["dpg"] for row in rows if row["prompt_index"] == prompt]) for prompt in range(12)]
    assert found.fixed.score == pytest.approx(100 * np.mean(means), rel=1e-12)
    assert found.fixed.prompts == 12
    all_answers = [one for row in rows for one in row["details"]["dpg"]]
    for category in CATEGORIES:
        own = [one["answer"] == "yes" for one in all_answers if one["category"] == category]
        assert found.fixed.categories[category] == pytest.approx(100 * np.mean(own), rel=1e-12)
        assert found.fixed.questions[category] == len(own)
    assert sum(found.fixed.questions[one] for one in ("entity", "attribute", "relation", "global")) == len(all_answers)


def test_both_ways_stand_in_the_notes_and_in_the_summary(tmp_path: Path) -> None:
    rows = answered(questions(6))
    found = summary_of(tmp_path, rows)
    assert found.note in summarise_run(read_run(tmp_path)).notes
    assert found.note.startswith(f"DPG-Bench: {found.fixed.score:.2f} over {found.fixed.prompts} prompts (attribute ")
    assert f"as its script counts: {found.paper.score:.2f} over {6 - found.dropped} prompts" in found.note
    write_summaries(tmp_path)
    record = json.loads((tmp_path / "rewards_summary.json").read_text())
    assert record["dpg"]["paper"]["score"] == found.paper.score


@pytest.mark.parametrize(
    "entry", [{"id": "1"}, {"depends": 0}, {"depends": [None]}, {"answer": None}, {"row": True}, {"category": 3}]
)
def test_malformed_answers_are_passed_over_and_said(entry: dict[str, Any], tmp_path: Path) -> None:
    rows = answered(questions(2))
    rows[0]["details"]["dpg"][0] |= entry
    write_rows(tmp_path / "rewards.jsonl", rows)
    found = summarise_run(read_run(tmp_path))
    assert any("questions that cannot be read are ignored, in 1 rows" in note for note in found.notes)
    assert found.dpg is not None
    assert found.dpg.fixed.prompts == 2
