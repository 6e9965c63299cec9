from __future__ import annotations

from pathlib import Path

import pytest

from reports.gate.check import Gate, check_paths
from reports.gate.compare import compare_paths
from reports.gate.decision import Outcome
from rewards.scorers import CARDS
from tests.reports.builders import verdict, write_rows
from tests.reports.gate.builders import PROTOCOL, full_sweep, reward_sweep, usual, write_run
from wire.errors import UserError


def outcomes(gate: Gate) -> dict[str, Outcome]:
    return {one.metric: one.outcome for one in gate.judgements}


def policy(folder: Path, text: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(text)
    return path


def test_a_reward_is_judged_where_the_policy_has_it(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), reward_sweep(), PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(usual), reward_sweep(drop=0.2), PROTOCOL)
    watched = check_paths(second, first)
    assert watched.passes
    assert outcomes(watched)["aesthetic"] is Outcome.WATCHED
    judged = check_paths(second, first, policy(tmp_path, "[metrics.aesthetic]\nmargin = 0.05\n"))
    assert [one.metric for one in judged.failures] == ["aesthetic"]
    assert judged.verdict == "gate: fails: aesthetic"


def test_unlike_runs_are_refused_by_field_unless_the_policy_lets_them_pass(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), protocol=PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(usual), protocol=PROTOCOL | {"steps": 20, "seed": 7})
    with pytest.raises(UserError, match=r"seed \(not recorded; 7\), steps \(50; 20\)"):
        check_paths(second, first)
    lenient = policy(tmp_path, 'may_differ = ["steps", "seed"]\n[metrics.overall]\nmargin = 0.02\n')
    gate = check_paths(second, first, lenient)
    assert gate.passes
    assert any("let pass" in note and "steps" in note for note in gate.notes)
    with pytest.raises(UserError, match="--allow-unlike"):
        compare_paths(first, second)
    assert any("steps" in note for note in compare_paths(first, second, allow_unlike=True).notes)


def test_settings_of_a_stage_matter_where_both_have_its_rows(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), protocol=PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(usual), reward_sweep(), PROTOCOL)
    for folder, precision in ((first, "fp32"), (second, "bf16")):
        record = (
            f'{{"protocol": {{"steps": 50}}, "stages": {{"rewards": {{"settings": {{"precision": "{precision}"}}}}}}}}'
        )
        (folder / "run.json").write_text(record)
    assert check_paths(second, first).passes
    write_rows(first / "rewards.jsonl", reward_sweep())
    with pytest.raises(UserError, match=r"rewards\.precision"):
        check_paths(second, first)


def test_a_recorded_protocol_is_not_like_an_unrecorded_one(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), protocol=PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(usual))
    with pytest.raises(UserError, match=r"protocol \(recorded; not recorded\)"):
        check_paths(second, first)


def test_other_prompts_without_a_recorded_suite_are_refused(tmp_path: Path) -> None:
    rows = full_sweep(usual)
    other = [verdict(0, sample, "single_object", True, text="a rewritten prompt") for sample in range(4)]
    first = write_run(tmp_path / "a", rows)
    second = write_run(tmp_path / "b", [*other, *rows[4:]])
    with pytest.raises(UserError, match=r"suite\.prompts"):
        check_paths(second, first)


def test_what_is_unscored_counts_against_coverage_and_is_said(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), protocol=PROTOCOL)

    def broken(tag: str, prompt: int, sample: int) -> bool | None:
        return None if tag == "colors" and sample == 0 else usual(tag, prompt, sample)

    second = write_run(tmp_path / "b", full_sweep(broken), protocol=PROTOCOL)
    gate = check_paths(second, first)
    assert "colors" in gate.verdict
    reasons = {one.metric: one.text for one in gate.judgements}
    assert reasons["colors"] == "coverage 75.0% is below 99.0%"
    assert any("94 images unscored" in note for note in gate.notes)


def test_a_subset_stays_paired_with_the_full_baseline(tmp_path: Path) -> None:
    rows = full_sweep(usual)
    first = write_run(tmp_path / "a", rows, protocol=PROTOCOL)
    part = [row for row in rows if int(row["filename"][:5]) % 5 == 0]
    second = write_run(tmp_path / "b", part, protocol=PROTOCOL)
    assert "overall" in check_paths(second, first).verdict  # coverage
    gate = check_paths(second, first, subset=True)
    assert gate.passes
    overall = gate.line("overall")
    assert overall is not None
    assert overall.paired.images == len(part)
    assert any("subset" in note and "111 of the baseline's 553 prompts" in note for note in gate.notes)


def test_a_policy_that_judges_what_the_baseline_lacks_is_a_mistake(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), protocol=PROTOCOL)
    with pytest.raises(UserError, match="judges aesthetic"):
        check_paths(first, first, policy(tmp_path, "[metrics.aesthetic]\nfloor = 5\n"), cards=CARDS)
    with pytest.raises(UserError, match="demands nothing"):
        check_paths(first, first, policy(tmp_path, "level = 0.05\n"))


def test_a_metric_that_the_candidate_lacks_fails(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), reward_sweep(), PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(usual), protocol=PROTOCOL)
    gate = check_paths(second, first, policy(tmp_path, "[metrics.aesthetic]\nfloor = 5\n"))
    assert gate.verdict == "gate: fails: aesthetic"
