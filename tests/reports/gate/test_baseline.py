from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.compare.comparison import compare
from reports.gate.baseline import SCHEMA, baseline_notes, read_baseline, save_baseline
from reports.gate.check import check_once
from reports.gate.inputs import read_side
from reports.gate.policy import read_policy
from reports.read.runs import read_run
from reports.summary.run_summary import summarise_run
from tests.reports.builders import SMALL, rewards, sweep, unscored, verdict, write_rows
from tests.reports.gate.builders import PROTOCOL, reward_sweep, write_run
from wire.errors import UserError


def test_a_baseline_is_its_run(tmp_path: Path) -> None:
    rows = [*sweep(SMALL), unscored(5, 0, "single_object"), unscored(6, 0, "")]
    run = read_run(write_run(tmp_path / "run", rows, reward_sweep(), PROTOCOL))
    again = read_side(save_baseline(run, tmp_path / "baseline.json"))
    assert (again.name, again.manifest) == (run.name, run.manifest)
    first, second = summarise_run(run), summarise_run(again)
    assert first.geneval is not None
    assert second.geneval is not None
    assert (first.geneval.overall, first.geneval.tags) == (second.geneval.overall, second.geneval.tags)
    assert first.rewards is not None
    assert second.rewards is not None
    means = [{name: one.mean for name, one in summary.rewards.metrics.items()} for summary in (first, second)]  # type: ignore[union-attr]
    assert means[0] == means[1]
    for comparison in (compare(run, again), compare(again, run)):
        assert all(line.paired.difference == 0.0 for line in comparison.metrics)
        assert {line.metric for line in comparison.metrics} >= {"overall", "aesthetic", "hpsv2.1"}


def test_what_a_baseline_lacks_is_told_when_it_is_saved(tmp_path: Path) -> None:
    """Of prompts that are not in it no check can say anything, and passes."""
    scored = [rewards(prompt, sample) for prompt in range(2) for sample in range(4)]
    run = read_run(write_run(tmp_path / "run", sweep(SMALL), scored, PROTOCOL))
    *_, short, both = baseline_notes(run)
    assert short.startswith("the baseline is of an incomplete sweep: 12 of 553 prompts (single_object 2 of 80, ")
    assert both == "40 images of the baseline have a verdict or rewards, not both"
    assert list(baseline_notes(read_run(run.folder / "rewards.jsonl"))) == []


def test_one_prompt_a_line_and_the_same_bytes(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", sweep(SMALL), reward_sweep(), PROTOCOL))
    path = save_baseline(run, tmp_path / "baseline.json")
    text = path.read_text()
    assert json.loads(text)["schema"] == SCHEMA
    prompts = [json.loads(line.rstrip(",")) for line in text.splitlines() if line.startswith('{"key"')]
    assert len(prompts) == 12 + 20
    assert [one["key"] for one in prompts[:12]] == sorted(one["key"] for one in prompts[:12])
    changed = sweep({**SMALL, "colors": (5, 8)})
    other = save_baseline(
        read_run(write_run(tmp_path / "b" / "run", changed, reward_sweep(), PROTOCOL)), tmp_path / "b.json"
    )
    differing = [
        pair for pair in zip(text.splitlines(), other.read_text().splitlines(), strict=True) if len(set(pair)) > 1
    ]
    assert len(differing) == 1
    assert save_baseline(read_baseline(path), tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_foreign_file_names_and_prompts_without_text_are_kept(tmp_path: Path) -> None:
    rows = [verdict(prompt, sample, "colors", True) for prompt in range(3) for sample in range(2)]
    for place, row in enumerate(rows):
        row |= {"filename": f"image{place}.jpg", "prompt": None}
    run = read_run(write_rows(tmp_path / "foreign.jsonl", rows))
    again = read_baseline(save_baseline(run, tmp_path / "baseline.json"))
    assert run.verdicts is not None
    assert again.verdicts is not None
    assert sorted(again.verdicts["filename"]) == sorted(run.verdicts["filename"])
    assert compare(run, again).metrics[0].left_out == ""


def test_rewards_alone(tmp_path: Path) -> None:
    rows = [rewards(prompt, 0, {"aesthetic": None if prompt == 1 else 0.1 + prompt}) for prompt in range(4)]
    run = read_run(write_rows(tmp_path / "rewards.jsonl", rows))
    again = read_baseline(save_baseline(run, tmp_path / "baseline.json"))
    assert again.verdicts is None
    assert again.rewards is not None
    assert again.rewards.frame["aesthetic"].isna().sum() == 1
    assert compare(run, again).metrics[0].paired.images == 3


def test_a_number_beyond_all_numbers_is_no_value(tmp_path: Path) -> None:
    run = read_run(write_rows(tmp_path / "rewards.jsonl", [rewards(0, 0, {"aesthetic": 1.0})]))
    saved = save_baseline(run, tmp_path / "baseline.json")
    saved.write_text(saved.read_text().replace("[1.0]", f"[{10**80}]"))
    again = read_baseline(saved)
    assert again.rewards is not None
    assert again.rewards.frame["aesthetic"].isna().all()


def one_prompt(tag: str, correct: int) -> str:
    prompt = {"key": "0", "tag": tag, "prompt": "a", "samples": [0], "correct": [correct]}
    head = {"schema": SCHEMA, "name": "a", "random_weights": False, "protocol": {}, "metrics": []}
    return json.dumps({**head, "verdicts": [prompt], "rewards": []})


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[1]", "schema None"),
        ('{"schema": "miro-eval/baseline/9"}', "expected 'miro-eval/baseline/1'"),
        ("{", "not a readable baseline"),
        (f'{{"schema": "{SCHEMA}"}}', "a damaged baseline"),
        (one_prompt("colors", 2), "0, 1 or null"),
        (one_prompt("colours", 1), "unknown tag"),
        (one_prompt("colors", 1).replace("[0]", f"[{10**80}]"), "samples must be whole numbers"),
        (one_prompt("colors", 1).replace("[0]", f"[{10**400}]"), "not finite, or too large"),
    ],
)
def test_a_file_that_is_no_baseline(content: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"baseline\.json: ") as caught:
        read_side(path)
    assert part in str(caught.value)


@pytest.mark.parametrize("part", ["verdicts", "rewards"])
def test_a_prompt_that_a_merge_left_twice_counts_once(tmp_path: Path, part: str) -> None:
    run = read_run(write_run(tmp_path / "run", sweep(SMALL), reward_sweep(), PROTOCOL))
    path = save_baseline(run, tmp_path / "baseline.json")
    record = json.loads(path.read_text())
    record[part].append(dict(record[part][0]))
    path.write_text(json.dumps(record))
    again = read_baseline(path)
    assert any("appear twice in the file" in note for note in again.repeats)
    gate = check_once(again, run, read_policy(None))
    assert gate.passes
    assert {one.measured.coverage for one in gate.judgements} == {1.0}
    values = next(key for key in ("correct", "aesthetic") if key in record[part][0])
    record[part][-1][values] = [0.5 if part == "rewards" else 1 - value for value in record[part][0][values]]
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="appears twice, with two results"):
        read_baseline(path)
