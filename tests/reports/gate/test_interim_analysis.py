"""A sweep looked at while it grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.suites import SUITES, built_prompts, limit_indices
from reports.gate.check import Gate, rules_for
from reports.gate.decision import Outcome
from reports.gate.inputs import read_side
from reports.gate.sequential import Order, check_growing, planned_looks
from reports.read.runs import Run
from tests.reports.builders import Row, verdict
from tests.reports.gate.builders import PROTOCOL, full_sweep, reward_sweep, usual, write_run
from wire.errors import UserError

LINES = SUITES["geneval"].lines
LOOKS = (100, 200, 553)


def geneval(worse: float = 0.0, prompts: int | None = None) -> list[Row]:
    """A sweep over GenEval's own prompts; of every tag this share of the prompts has no right image."""
    return [
        verdict(index, sample, LINES[index]["tag"], usual("", index, sample) and index % 100 >= 100 * worse, text)
        for index in limit_indices(LINES, prompts)
        for text in [LINES[index]["prompt"]]
        for sample in range(4)
    ]


def run(folder: Path, rows: list[Row]) -> Run:
    return read_side(write_run(folder, rows, protocol=PROTOCOL))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("baseline"), geneval())


def checked(candidate: Run, baseline: Run, policy: Path | None = None) -> tuple[Gate, list[int]]:
    asked: list[int] = []

    def grown(prompts: int) -> Run:
        asked.append(prompts)
        return candidate

    return check_growing(grown, baseline, rules_for(baseline, policy), LOOKS, built_prompts()), asked


def test_the_level_is_shared_out_over_the_looks() -> None:
    looks = planned_looks(LOOKS, 1.0)
    assert [look.share for look in looks] == pytest.approx([100 / 553, 100 / 553, 353 / 553])
    assert [look.last for look in looks] == [False, False, True]
    late = [look.share for look in planned_looks(LOOKS, 3.0)]
    assert sum(late) == pytest.approx(1.0)
    assert late[0] < 0.01 < 0.9 < late[2]
    assert planned_looks([553], 3.0)[0].share == 1.0


def test_the_order_is_that_of_limit_even_where_the_baseline_has_gaps(baseline: Run) -> None:
    order = Order.of(baseline, built_prompts())
    assert set(order.texts[:100]) == {LINES[index]["prompt"] for index in limit_indices(LINES, 100)}
    assert baseline.verdicts is not None
    gap = baseline.verdicts["prompt"] != order.texts[40]
    part = Run("part", baseline.folder, baseline.manifest, baseline.verdicts[gap], None)
    assert Order.of(part, built_prompts()) == order
    assert (order.held(baseline), order.held(part), order.lacking(part, 100)) == (553, 40, 1)


def test_other_suites_have_an_order_too(tmp_path: Path) -> None:
    rewards_alone = read_side(write_run(tmp_path / "a", [], reward_sweep(), PROTOCOL))
    assert len(Order.of(rewards_alone).texts) == 20
    own = read_side(write_run(tmp_path / "b", full_sweep(usual), protocol=PROTOCOL))
    beginning = Order.of(own).texts[:6]
    assert {text.split()[3] for text in beginning} == {line["tag"] for line in LINES}


def test_a_prompt_that_a_suite_has_twice_counts_twice_as_for_limit(tmp_path: Path) -> None:
    lines = [{"tag": "colors", "prompt": f"a photo {min(place, 18)}"} for place in range(20)]
    rows = [verdict(place, 0, "colors", True, line["prompt"]) for place, line in enumerate(lines)]
    order = Order.of(run(tmp_path, rows))
    for number in range(1, 21):
        assert {lines[index]["prompt"] for index in limit_indices(lines, number)} == set(order.texts[:number])


def test_a_large_drop_ends_it_at_the_first_look(baseline: Run, tmp_path: Path) -> None:
    gate, asked = checked(run(tmp_path, geneval(worse=0.6)), baseline)
    assert asked == [100]
    assert not gate.passes
    assert gate.verdict.endswith(" (after 100 of 553 prompts)")
    assert gate.looks is not None
    assert (gate.looks.taken, gate.looks.prompts) == (1, 100)
    overall = gate.line("overall")
    assert overall is not None
    assert overall.paired.prompts == 100


def test_no_drop_goes_to_the_end_and_passes(baseline: Run) -> None:
    gate, asked = checked(baseline, baseline)
    assert asked == [100, 200, 553]
    assert gate.verdict == "gate: passes"
    evidence = gate.judgements[0].measured.evidence
    assert evidence is not None
    assert [look.prompts for look in (*evidence.earlier, evidence)] == [100, 200, 553]


def test_a_sure_pass_ends_it_early_unless_a_limit_waits_for_the_end(baseline: Run, tmp_path: Path) -> None:
    policy = tmp_path / "gate.toml"
    policy.write_text("[metrics.overall]\nmargin = 0.2\n")
    assert checked(baseline, baseline, policy)[1] == [100]
    policy.write_text("[metrics.overall]\nmargin = 0.2\nfloor = 0.1\n")
    gate, asked = checked(baseline, baseline, policy)
    assert (asked, gate.passes) == ([100, 200, 553], True)


def test_a_candidate_that_ends_too_soon_is_open_and_says_how_to_go_on(baseline: Run, tmp_path: Path) -> None:
    gate, _ = checked(run(tmp_path / "a", geneval(prompts=150)), baseline)
    assert gate.passes
    assert gate.judgements[0].outcome is Outcome.CANNOT_TELL
    assert any("lacks 50 of the first 200 prompts: go on with --limit 200" in note for note in gate.notes)
    with pytest.raises(UserError, match=r"lacks 40 of the first 100 .* make them with --limit 100"):
        checked(run(tmp_path / "b", geneval(prompts=60)), baseline)


def test_looks_beyond_the_baseline_are_refused_before_anything_is_made(baseline: Run) -> None:
    def never(prompts: int) -> Run:
        raise AssertionError(prompts)

    with pytest.raises(UserError, match=r"after 600 prompts: the baseline has the first 553 only"):
        check_growing(never, baseline, rules_for(baseline, None), (100, 600), built_prompts())
