"""GenEval 2 in comparisons and in the gate: each score's difference and error against the same written down anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.compare.comparison import ComparedMetric, Comparison, compare
from reports.gate.baseline import read_baseline, save_baseline
from reports.gate.check import Gate
from reports.gate.decision import Outcome
from reports.gate.evidence import Evidence
from reports.read.runs import read_run
from reports.read.suite import GENEVAL2_SHA256
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import Row
from tests.reports.gate.builders import check_paths
from tests.reports.geneval2 import made_up_lines, published_lines, random_answers, write_run
from wire.errors import UserError
from wire.vocabulary import GENEVAL2_SCORES, SKILLS

Answers = list[list[list[float]]]
SUITE = {"suite": {"id": "geneval2", "sha256": GENEVAL2_SHA256, "prompts": 800}}


def run_of(folder: Path, lines: list[Row], answers: Answers) -> Path:
    folder.mkdir()
    return write_run(folder, lines, answers, protocol=SUITE | {"samples": len(answers[0])})


def changed(lines: list[Row], answers: Answers, change: Callable[[str, float], float]) -> Answers:
    """Other answers, by skill."""
    pairs = zip(lines, answers, strict=True)
    return [
        [[change(skill, p) for skill, p in zip(line["skills"], image, strict=True)] for image in images]
        for line, images in pairs
    ]


def compared(first: Path, second: Path) -> Comparison:
    return compare(read_run(first, CARDS), read_run(second, CARDS))


def line_of(comparison: Comparison, metric: str) -> ComparedMetric:
    (line,) = (line for line in comparison.metrics if line.metric == metric)
    return line


def sums_by_prompt(lines: list[Row], answers: Answers, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(prompts, samples) sums of a score's parts, from 0 to 100, and (prompts,) how many parts each prompt has."""
    sums, counts = [], []
    for line, images in zip(lines, answers, strict=True):
        skill = name.removeprefix("geneval2_")
        chosen = [place for place, own in enumerate(line["skills"]) if own == skill]
        if skill in SKILLS:
            own = [sum(image[place] for place in chosen) for image in images]
        elif name == "geneval2_am":
            own = [float(np.mean(image)) for image in images]
        elif name == "geneval2" or name == f"geneval2_atoms_{line['atom_count']}":
            own = [float(np.exp(np.mean(np.log(image)))) for image in images]
        else:
            continue
        if chosen or skill not in SKILLS:
            sums.append([100 * one for one in own])
            counts.append(len(chosen) or 1)
    return np.array(sums), np.array(counts)


@pytest.mark.parametrize("samples", [1, 4])
def test_each_score_s_difference_and_error_are_those_of_a_ratio_over_prompts(samples: int, tmp_path: Path) -> None:
    """Difference of pooled means, and its error by leaving out a prompt in turn: what no formula of ours is in."""
    lines = published_lines()
    hard = np.random.default_rng(3).uniform(0.2, 1.0, len(lines))  # some prompts are harder for the second, whole
    other = [
        [[p * by for p in one] for one in own] for own, by in zip(random_answers(lines, samples, 2), hard, strict=True)
    ]
    answers = random_answers(lines, samples, seed=1), other
    folders = [run_of(tmp_path / name, lines, own) for name, own in zip("ab", answers, strict=True)]
    found = compared(*folders)
    summaries = [summarise_run(read_run(folder, CARDS)).geneval2 for folder in folders]
    assert [line.metric for line in found.metrics] == [*GENEVAL2_SCORES, "soft_tifa"]
    for name in GENEVAL2_SCORES:
        (first, counts), (second, _) = (sums_by_prompt(lines, own, name) for own in answers)
        differences = (second - first).mean(axis=1)
        total, weight, left = differences.sum(), counts.sum(), len(counts)
        jackknife = (total - differences) / (weight - counts)
        error = np.sqrt((left - 1) / left * ((jackknife - jackknife.mean()) ** 2).sum())
        line = line_of(found, name)
        assert line.paired.difference == pytest.approx(total / weight, rel=1e-9)
        assert line.paired.moments.standard_error == pytest.approx(error, rel=0.02)
        assert (line.paired.prompts, line.paired.images) == (left, left * samples)
        for value, summary in zip((line.first, line.second), summaries, strict=True):
            assert summary is not None
            assert value == pytest.approx(summary.scores[name].value, rel=1e-9)
        noise = (second - first).var(axis=1, ddof=1) / samples if samples > 1 else np.zeros(left)
        share = noise.sum() / weight**2 / error**2
        within = None if samples == 1 else pytest.approx(min(1.0, share), rel=0.04)
        assert line.paired.moments.within == within
        assert Evidence.of(line).weight == left / 100, "what one prompt can move of a score from 0 to 100"


def outcomes(gate: Gate) -> dict[str, Outcome]:
    return {one.metric: one.outcome for one in gate.judgements}


def test_the_default_policy_judges_the_headline_and_the_skills(tmp_path: Path) -> None:
    lines = published_lines()
    answers = random_answers(lines, 2)
    first = run_of(tmp_path / "a", lines, answers)
    saved = save_baseline(read_run(first, CARDS), tmp_path / "saved.json")
    assert b"How many" not in saved.read_bytes(), "the questions' words are not ours to pass on"
    same = check_paths(first, saved)
    assert same.verdict == "gate: passes"
    judged = {metric for metric, outcome in outcomes(same).items() if outcome is Outcome.PASSES}
    assert judged == {"geneval2", *(f"geneval2_{skill}" for skill in SKILLS)}
    worse = changed(lines, answers, lambda skill, p: 0.7 * p if skill == "count" else p)
    second = run_of(tmp_path / "b", lines, worse)
    by_file, by_rows = (check_paths(second, side, cards=CARDS) for side in (saved, first))
    assert [one.metric for one in by_file.failures] == ["geneval2", "geneval2_count"]
    assert outcomes(by_file)["geneval2_object"] is Outcome.PASSES
    assert by_file.judgements == by_rows.judgements, "a saved baseline has all that its run has"


def test_one_skill_or_one_number_of_atoms_can_be_judged_alone(tmp_path: Path) -> None:
    lines = published_lines()
    answers = random_answers(lines, 2)
    first = run_of(tmp_path / "a", lines, answers)
    noise = np.random.default_rng(5)
    second = run_of(tmp_path / "b", lines, changed(lines, answers, lambda skill, p: p * noise.uniform(0.5, 1.5) / 1.5))
    policy = tmp_path / "gate.toml"
    for text, failing, unclear in (
        ("[metrics.geneval2_count]\nmargin = 3\n", ["geneval2_count"], []),
        ("[metrics.geneval2_count]\nmargin = 40\n", [], []),
        ("[metrics.geneval2_verb]\ntolerated = 16\nmargin = 16\n", [], ["geneval2_verb"]),
        ("[metrics.geneval2_atoms]\nmargin = 40\n[metrics.geneval2_atoms_7]\nfloor = 90\n", ["geneval2_atoms_7"], []),
    ):
        policy.write_text(text)
        gate = check_paths(second, first, policy)
        assert [one.metric for one in gate.failures] == failing
        assert [metric for metric, found in outcomes(gate).items() if found is Outcome.CANNOT_TELL] == unclear
    # It has no verdicts; nor has a sweep of GenEval these scores.
    policy.write_text("[metrics.overall]\nmargin = 0.02\n")
    with pytest.raises(UserError, match="the policy judges overall, for which the baseline has no scored images"):
        check_paths(second, first, policy)


def test_unscored_images_and_rows_without_questions(tmp_path: Path) -> None:
    lines = made_up_lines(24)
    answers = random_answers(lines, 2)
    first, second, third = (run_of(tmp_path / name, lines, answers) for name in "abc")
    rows = [json.loads(row) for row in (second / "rewards.jsonl").read_text().splitlines()]
    rows[0] |= {"soft_tifa": None, "unscored": {"soft_tifa": "broken"}, "details": {}}
    (second / "rewards.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    gate = check_paths(second, first)
    coverage = {one.metric: one.measured.coverage for one in gate.judgements}
    assert coverage["geneval2"] == coverage["geneval2_count"] == 47 / 48
    assert coverage["geneval2_atoms_3"] == 5 / 6
    assert coverage["geneval2_atoms_4"] == 1.0
    told = "geneval2, soft_tifa: left out of the comparison: 1 image unscored in the second"
    assert told in gate.comparison.notes
    bare = [{key: value for key, value in row.items() if key != "details"} for row in rows]
    (third / "rewards.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))
    found = compared(first, third)
    assert [line.metric for line in found.metrics] == ["geneval2", "soft_tifa"]
    (note,) = (note for note in found.notes if "geneval2_am" in note)
    assert note.endswith("not compared, c has no questions for them")


@pytest.mark.parametrize("p", [1.5, -0.1, True, "0.5", None])
def test_a_baseline_with_damaged_answers_is_refused(p: object, tmp_path: Path) -> None:
    lines = made_up_lines(4)
    saved = save_baseline(read_run(run_of(tmp_path / "a", lines, random_answers(lines, 2)), CARDS), tmp_path / "s.json")
    record = json.loads(saved.read_text())
    record["rewards"][0]["details"]["soft_tifa"]["p"][0][0] = p
    saved.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"a damaged baseline \(ValueError: answers of soft_tifa must be"):
        read_baseline(saved)
