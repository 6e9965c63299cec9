from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.gate.baseline import save_baseline
from reports.gate.check import Gate
from reports.gate.compare import compare_paths, markdown_comparison
from reports.gate.decision import Outcome
from reports.gate.gate_formats import markdown_gate
from reports.read.runs import read_run
from rewards.scorers import CARDS
from tests.reports.builders import verdict, write_rows
from tests.reports.gate.builders import PROTOCOL, check_paths, full_sweep, reward_sweep, usual, write_run
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
    assert any("allowed by the policy" in note and "steps" in note for note in gate.notes)
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
    with pytest.raises(UserError, match="sets no limit"):
        check_paths(first, first, policy(tmp_path, "level = 0.05\n"))


def test_a_metric_that_the_candidate_lacks_fails(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", full_sweep(usual), reward_sweep(), PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(usual), protocol=PROTOCOL)
    gate = check_paths(second, first, policy(tmp_path, "[metrics.aesthetic]\nfloor = 5\n"))
    assert gate.verdict == "gate: fails: aesthetic"


@pytest.mark.parametrize("saved", [False, True])
def test_what_the_baseline_lost_is_told_as_what_the_candidate_lost(saved: bool, tmp_path: Path) -> None:
    """The candidate fails by it; of the baseline a note gives the same share."""

    def broken(tag: str, prompt: int, sample: int) -> bool | None:
        return None if tag == "colors" and sample == 0 else usual(tag, prompt, sample)

    lost = [row if place % 4 else row | {"aesthetic": None} for place, row in enumerate(reward_sweep())]
    baseline = write_run(tmp_path / "a", full_sweep(broken), lost, PROTOCOL)
    if saved:
        baseline = save_baseline(read_run(baseline), tmp_path / "baseline.json")
    second = write_run(tmp_path / "b", full_sweep(usual), reward_sweep(), PROTOCOL)
    rules = "coverage = 0.99\n[metrics.tags]\nmargin = 0.05\n[metrics.aesthetic]\nmargin = 1.0\n"
    gate = check_paths(second, baseline, policy(tmp_path, rules))
    told = [note for note in gate.notes if "coverage 75.0% is below 99.0%" in note]
    assert [note.split(":")[0] for note in told] == ["colors", "aesthetic"]
    assert told[0].startswith("colors: 282 of the baseline's own 376 images are scored")
    assert any("94 images unscored in the first" in note for note in gate.notes)
    lenient = rules.replace("0.99", "0.75")
    assert not any("baseline's own" in note for note in check_paths(second, baseline, policy(tmp_path, lenient)).notes)


def test_each_text_says_whether_it_is_corrected(tmp_path: Path) -> None:
    def worse(tag: str, prompt: int, sample: int) -> bool:
        lost = (tag == "colors" and prompt < 20) or (tag == "counting" and prompt < 12)
        return (tag == "counting" and 12 <= prompt < 20) or (usual(tag, prompt, sample) and not lost)

    first = write_run(tmp_path / "a", full_sweep(usual), protocol=PROTOCOL)
    second = write_run(tmp_path / "b", full_sweep(worse), protocol=PROTOCOL)
    gate = check_paths(second, first)
    texts = {one.metric: one.text for one in gate.judgements}
    assert outcomes(gate)["colors"] is Outcome.FAILS
    assert re.search(r"shown \(p [^,]+, corrected by Holm for 7 metrics\)", texts["colors"])
    for metric in ("colors", "counting"):
        assert "one-sided 95 % bound, not corrected" in texts[metric]
    assert "excluded (p < 0.05, not corrected)" in texts["position"]
    single = policy(tmp_path, 'correction = "none"\n[metrics.tags]\nmargin = 0.05\n')
    texts = {one.metric: one.text for one in check_paths(second, first, single).judgements}
    assert re.search(r"shown \(p [^,]+, not corrected\)", texts["colors"])
    table = markdown_gate(gate)
    assert "Showing a drop: corrected by Holm for 7 metrics." in table
    assert "each metric alone, not corrected" in table
    markdown = markdown_comparison(gate.comparison)
    assert "95 % interval: two-sided, from resampled prompts, not corrected for the number of lines" in markdown
